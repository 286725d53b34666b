// Opens an address in Chromium, waits until the page shows what it should, and takes a picture of it.
//
// The question comes on standard input, the answer goes to standard output, both as JSON:
//   { address, picture, frame, texts, patience_seconds }
//   { address, title, hello }
// `frame` names the payload type of a WebSocket frame that must have arrived (or is null), `texts` are all of the texts that must be
// there. Of a page that does not get there in time a picture is taken as well; what it said goes to standard error, with exit code 1.
import { text } from "node:stream/consumers";
import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";

const question = JSON.parse(await text(process.stdin));
const timeout = question.patience_seconds * 1000;

const browser = await playwright.launch({ args: chromium.args, executablePath: await chromium.executablePath(), timeout });
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
page.setDefaultTimeout(timeout);

const said = [];
page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
page.on("requestfailed", (request) => said.push(`failed: ${request.url()}: ${request.failure()?.errorText}`));

const hello = new Promise((resolve) => {
  page.on("websocket", (socket) => {
    socket.on("framereceived", ({ payload }) => {
      const frame = JSON.parse(String(payload));
      if (frame.payload?.type === question.frame) resolve(frame.payload);
      if (frame.ok === false) said.push(`refused: ${payload}`);
    });
  });
});

try {
  await page.goto(question.address);
  for (const wanted of question.texts) {
    await page.getByText(wanted, { exact: true }).first().waitFor({ state: "attached" });
  }
  // For the picture's sake: images may still be on their way, and some wait for addresses that cannot be reached.
  await page.waitForLoadState("networkidle", { timeout: 5000 }).catch(() => {});
  const answer = { address: page.url(), title: await page.title(), hello: question.frame ? await hello : null };
  await page.screenshot({ path: question.picture });
  console.log(JSON.stringify(answer));
} catch (error) {
  console.error([error.message, ...said, await page.innerText("body")].join("\n"));
  await page.screenshot({ path: question.picture });
  process.exitCode = 1;
} finally {
  await browser.close();
}
