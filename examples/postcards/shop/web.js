// The page: it takes an order, puts it into the queue, and shows the mails that have been sent.
const http = require("node:http");
const { publish } = require("./queue");

const TITLE = "Postcards";
const safe = (text) => text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);

const page = (mails) => `<!doctype html><meta charset="utf-8"><title>${TITLE}</title><h1>${TITLE}</h1>
<form method="post" action="/orders">
  <input name="to" type="email" placeholder="to@example.org" required>
  <input name="text" placeholder="Wish you were here" required>
  <button>Send</button>
</form>
<ul>${mails.map((mail) => `<li>${safe(mail.to.join(", "))}: ${safe(mail.text)}</li>`).join("\n")}</ul>`;

async function body(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return Object.fromEntries(new URLSearchParams(text));
}

async function answer(request, response) {
  if (request.method === "POST" && request.url === "/orders") {
    publish("orders", await body(request));
    response.writeHead(303, { Location: "/" }).end();
  } else if (request.url === "/") {
    const mails = await (await fetch(`${process.env.MAILBOX_URL}/messages`)).json();
    response.writeHead(200, { "Content-Type": "text/html" }).end(page(mails));
  } else {
    response.writeHead(request.url === "/health" ? 204 : 404).end();
  }
}

http
  .createServer((request, response) =>
    answer(request, response).catch((error) => {
      console.error(error);
      response.writeHead(500).end("this did not work, the log tells why");
    }),
  )
  .listen(process.env.PORT ?? 3000);
