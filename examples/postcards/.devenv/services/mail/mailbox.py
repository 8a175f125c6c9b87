"""Takes mail on port 1025, and shows it on port 8025: `/` for people, `/messages` as JSON."""

import json
from email import message_from_bytes, policy
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller

MESSAGES = []


class Mailbox:
    """What aiosmtpd calls for each mail."""

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 -- the name it calls it by
        mail = message_from_bytes(envelope.content, policy=policy.default)
        body = mail.get_body(("plain",))
        text = body.get_content().strip() if body else ""
        MESSAGES.append({"to": envelope.rcpt_tos, "subject": str(mail["subject"]), "text": text})
        return "250 taken"


class Page(BaseHTTPRequestHandler):
    """The mails, newest first."""

    def do_GET(self):
        mails = MESSAGES[::-1]
        if self.path == "/messages":
            self.answer("application/json", json.dumps(mails))
        else:
            lines = (f"<li>{escape(one['subject'])} — {escape(', '.join(one['to']))}" for one in mails)
            self.answer("text/html", f"<title>Mailbox</title><h1>{len(mails)} mails</h1><ul>{''.join(lines)}</ul>")

    def answer(self, kind, text):
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())


Controller(Mailbox(), hostname="0.0.0.0", port=1025).start()
ThreadingHTTPServer(("0.0.0.0", 8025), Page).serve_forever()
