// Answers come on one stream, which the server closes when it has answered everything. Gradio's page does not open it
// again for an event that it sent before it read of the end: the answer stayed on the server until the next event.
// So the page is given one stream that never ends, and reads on when the server has more to answer.
(() => {
  const plainFetch = window.fetch;
  // Events that were sent and not answered, and those whose answer came before that to the request that sent them.
  const waiting = new Set(), early = new Set();
  let wake = () => {};

  const sent = (id) => { if (!early.delete(id)) { waiting.add(id); wake(); } };
  const answered = (message) => {
    const { msg, event_id: id } = JSON.parse(message.slice("data:".length));
    if (msg === "process_completed" && !waiting.delete(id)) early.add(id);
    return msg;
  };

  const copy = async (body, out) => {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    const encoder = new TextEncoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const messages = (rest + value).split("\n\n");
      rest = messages.pop();
      for (const message of messages) {
        if (answered(message) !== "close_stream") out.enqueue(encoder.encode(message + "\n\n"));
      }
    }
  };
  const endless = (request, first) => {
    let answer = first;
    const start = async (out) => {
      try {
        for (;;) {
          await copy(answer.body, out);
          while (!waiting.size) await new Promise((resolve) => { wake = resolve; });
          answer = await plainFetch(request.url, { headers: request.headers, signal: request.signal });
          if (!answer.ok) throw new Error(`The stream of answers cannot be opened: ${answer.status}`);
        }
      } catch (error) { out.error(error); }
    };
    return new Response(new ReadableStream({ start }), { status: first.status, headers: first.headers });
  };
  window.fetch = async (resource, ...options) => {
    const path = new URL(resource.url || resource, location).pathname;
    const answer = await plainFetch(resource, ...options);
    if (!answer.ok) return answer;
    if (path.endsWith("/queue/join")) sent((await answer.clone().json()).event_id);
    return path.endsWith("/queue/data") ? endless(resource, answer) : answer;
  };
})();
