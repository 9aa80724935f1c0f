// A headless browser that does what the only argument says: JSON {screenshots, steps}, where each step is one of
//   {goto: URL}, {fill: [SELECTOR, TEXT]}, {click: SELECTOR}, {wait: URL}, {fetch: PATH}, {socket: PATH}, {hold: PATH},
//   {text: SELECTOR}, {screenshot: NAME}, {width: PIXELS}, {pause: MILLISECONDS}
// A step may have several of them.
// It prints what is on the page at the end, the cookies, and what `fetch`, `socket`, `hold` and `text` saw, as JSON.
import { join } from 'node:path';
import chromium from '@sparticuz/chromium';
import { chromium as playwright } from 'playwright-core';

const { screenshots, steps } = JSON.parse(process.argv[2]);
const browser = await playwright.launch({
  args: chromium.args,
  executablePath: await chromium.executablePath(),
  headless: true,
});
// The certificate's authority is made for each run.
const context = await browser.newContext({ ignoreHTTPSErrors: true });
const page = await context.newPage();
const seen = [];

// Runs in the page: whether a websocket opens.
const openSocket = (path) =>
  new Promise((resolve) => {
    const socket = new WebSocket(`wss://${location.host}${path}`);
    socket.onopen = () => resolve('open');
    socket.onerror = () => resolve('refused');
  });

// Runs in the page: opens a websocket and waits until the other side ends it.
const holdSocket = (path) =>
  new Promise((resolve) => {
    const socket = new WebSocket(`wss://${location.host}${path}`);
    let was = 'refused';
    socket.onopen = () => (was = 'ended');
    socket.onclose = () => resolve(was);
  });

const fetchText = async (path) => {
  const response = await fetch(path);
  return { status: response.status, text: await response.text() };
};

try {
  for (const step of steps) {
    if (step.goto) await page.goto(step.goto);
    if (step.fill) await page.fill(...step.fill);
    if (step.click) await page.click(step.click);
    if (step.wait) await page.waitForURL(step.wait);
    if (step.fetch) seen.push(await page.evaluate(fetchText, step.fetch));
    if (step.socket) seen.push(await page.evaluate(openSocket, step.socket));
    if (step.hold) seen.push(await page.evaluate(holdSocket, step.hold));
    if (step.text) seen.push(await page.innerText(step.text));
    if (step.pause) await page.waitForTimeout(step.pause);
    if (step.width) await page.setViewportSize({ width: step.width, height: 800 });
    if (step.screenshot) await page.screenshot({ path: join(screenshots, `${step.screenshot}.png`), fullPage: true });
  }
} catch (error) {
  console.error(`at ${page.url()}: ${error}`);
  process.exitCode = 1;
}
console.log(
  JSON.stringify({ url: page.url(), title: await page.title(), text: await page.innerText('body'), cookies: await context.cookies(), seen }),
);
await browser.close();
