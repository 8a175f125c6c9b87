// The front end: one page, and everything under /api passed on to the API.
const fs = require("node:fs");
const http = require("node:http");

const { API_URL, PORT = 8080 } = process.env;

function pass(request, response) {
  const { method, headers } = request;
  const asked = http.request(API_URL + request.url.slice("/api".length), { method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  asked.on("error", () => response.writeHead(502).end("the API does not answer"));
  request.pipe(asked);
}

http
  .createServer((request, response) => {
    if (request.url.startsWith("/api/")) return pass(request, response);
    if (request.url !== "/") return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
    fs.createReadStream(`${__dirname}/index.html`).pipe(response);
  })
  .listen(PORT);
