// Messages through RabbitMQ by STOMP, a protocol of plain text: https://stomp.github.io/stomp-specification-1.2.html
const net = require("node:net");

const { RABBITMQ_HOST, RABBITMQ_USER, RABBITMQ_PASSWORD } = process.env;
const PORT = 61613;

/** Call `heard(headers, body)` for every frame that comes; the result sends one. */
function connect(heard) {
  const socket = net.connect(PORT, RABBITMQ_HOST);
  const send = (command, headers, body = "") => {
    const lines = Object.entries(headers).map(([key, value]) => `${key}:${value}\n`);
    socket.write(`${command}\n${lines.join("")}\n${body}\0`);
  };
  let rest = "";
  socket.setEncoding("utf8").on("data", (data) => {
    const frames = (rest + data).split("\0");
    rest = frames.pop();
    for (const frame of frames) {
      const [head, body] = frame.trimStart().split("\n\n", 2);
      const [command, ...lines] = head.split("\n");
      heard(send, command, Object.fromEntries(lines.map((line) => line.split(/:(.*)/s, 2))), body);
    }
  });
  // Without its queue a program is of no use: it ends, and `node --watch` tells.
  socket.on("error", (error) => { throw error; }).on("close", () => { throw new Error("RabbitMQ is gone"); });
  send("CONNECT", { "accept-version": "1.2", host: "/", login: RABBITMQ_USER, passcode: RABBITMQ_PASSWORD });
  return send;
}

/** Put a message into a queue, where it stays until somebody has taken it. */
exports.publish = (() => {
  let send;
  return (queue, message) => {
    send ??= connect((_send, command, _headers, body) => command === "ERROR" && console.error(body));
    send("SEND", { destination: `/queue/${queue}`, persistent: true }, JSON.stringify(message));
  };
})();

/** Take messages out of a queue, one after the other; one counts as taken when `take` has done its work. */
exports.subscribe = (queue, take) =>
  connect(async (send, command, headers, body) => {
    if (command === "CONNECTED") {
      send("SUBSCRIBE", { id: 0, destination: `/queue/${queue}`, ack: "client-individual", "prefetch-count": 1 });
    } else if (command === "MESSAGE") {
      await take(JSON.parse(body));
      send("ACK", { id: headers.ack });
    } else {
      console.error(command, body);
    }
  });
