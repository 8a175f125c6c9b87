// The worker: it takes orders out of the queue and sends each as a mail.
const { createTransport } = require("nodemailer");
const { subscribe } = require("./queue");

const post = createTransport({ host: process.env.SMTP_HOST, port: process.env.SMTP_PORT });

subscribe("orders", async ({ to, text }) => {
  await post.sendMail({ from: "postcards@example.org", to, subject: "A postcard for you", text });
  console.log(`sent a postcard to ${to}`);
});
