// The camera as the first face. Gradio sends a frame only if the one before was answered, so frames never queue up.
const [button, said, canvas] = ["button", "[role=status]", "canvas"].map((name) => element.querySelector(name));
const video = document.createElement("video");
const wrong = {
  NotAllowedError: "The browser does not let this page use the camera. Allow it in the address bar, and start again.",
  NotFoundError: "The browser finds no camera.",
  TypeError: "The browser gives the camera only to pages of this machine and to https pages.",
};
let timer = 0;

const show = (on, text = "") => {
  said.innerText = text;
  button.innerText = on ? "Stop the camera" : "Start the camera";
  canvas.hidden = document.querySelector("#gdrd-live-result").hidden = !on;
};
const stop = (text) => {
  clearInterval(timer);
  timer = 0;
  for (const track of video.srcObject?.getTracks() || []) track.stop();
  video.srcObject = null;
  show(false, text);
};
const send = () => {
  if (!element.offsetParent) return stop(); // the tab was left
  if (video.readyState < 2) return;
  const [width, height] = [video.videoWidth, video.videoHeight];
  const scale = Math.min(1, 640 / Math.max(width, height));
  [canvas.width, canvas.height] = [Math.round(scale * width), Math.round(scale * height)];
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  trigger("frame", { picture: canvas.toDataURL("image/jpeg", 0.9) });
};
const start = async () => {
  button.disabled = true;
  try {
    video.muted = video.playsInline = true;
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, facingMode: "user" } });
    video.srcObject.getTracks()[0].onended = () => stop("The camera has stopped.");
    await video.play();
    show(true);
    timer = setInterval(send, 200);
  } catch (error) {
    stop(wrong[error.name] || "The camera cannot be used. Another program may use it.");
  }
  button.disabled = false;
};
button.addEventListener("click", () => (timer ? stop() : start()));
