// Answers come on one stream, which the server closes when it has answered everything. Gradio's page does not open it
// again for an event that it sent before it read of the end: the answer stayed on the server until the next event.
// So the page is given one stream that never ends, and reads on when the server has more to answer.
// Gradio's page also shows an answer that comes before that to the request that sent the event out of its turn, after
// newer ones: such an answer waits, and those behind it.
(() => {
  const plainFetch = window.fetch;
  const waiting = new Set(); // events whose number the page knows and that are not answered
  let joining = 0; // events that were sent and whose number the page does not know
  let wake = () => {};
  const change = () => new Promise((resolve) => { wake = resolve; });

  const joined = (id) => {
    joining -= 1;
    if (id) waiting.add(id);
    wake();
  };
  const join = async (request) => {
    joining += 1;
    const answer = await request.catch((error) => { joined(); throw error; });
    if (!answer.ok) joined();
    else {
      const read = answer.json.bind(answer);
      answer.json = async () => {
        const content = await read().catch((error) => { joined(); throw error; });
        setTimeout(() => joined(content.event_id)); // when Gradio's page has read the number, too
        return content;
      };
    }
    return answer;
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
        const { msg, event_id: id } = JSON.parse(message.slice("data:".length));
        while (id && joining && !waiting.has(id)) await change();
        if (msg === "process_completed") waiting.delete(id);
        if (msg !== "close_stream") out.enqueue(encoder.encode(message + "\n\n"));
      }
    }
  };
  const endless = (request, first) => {
    let answer = first;
    const start = async (out) => {
      try {
        for (;;) {
          await copy(answer.body, out);
          while (!waiting.size) await change();
          answer = await plainFetch(request.url, { headers: request.headers, signal: request.signal });
          if (!answer.ok) throw new Error(`The stream of answers cannot be opened: ${answer.status}`);
        }
      } catch (error) { out.error(error); }
    };
    return new Response(new ReadableStream({ start }), { status: first.status, headers: first.headers });
  };
  window.fetch = async (resource, ...options) => {
    const path = new URL(resource.url || resource, location).pathname;
    if (path.endsWith("/queue/join")) return join(plainFetch(resource, ...options));
    const answer = await plainFetch(resource, ...options);
    return answer.ok && path.endsWith("/queue/data") ? endless(resource, answer) : answer;
  };
})();
