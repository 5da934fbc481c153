import { defineConfig } from "@playwright/test";

// Run by the scripts in infra that source browser.sh, which start a stack and say in the environment where it is.
const results = "../../.local/e2e";

export default defineConfig({
  testDir: ".",
  // Screenshots and measures are made by the same means, when somebody asks for them.
  testMatch: process.env.E2E_FILES ?? "*.spec.ts",
  outputDir: `${results}/results`,
  globalSetup: "./lib/setup.ts",
  // Each worker has a database of its own, on which one job runs at a time.
  workers: 2,
  forbidOnly: process.env.CI !== undefined,
  // A rehearsal on a busy machine takes its time.
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [["list"], ["html", { outputFolder: `${results}/report`, open: "never" }]],
  use: {
    baseURL: process.env.LOCAL_URL,
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    viewport: { width: 1280, height: 800 },
    // Without a picture of each moment, which would take a good part of the machine's time.
    trace: { mode: "retain-on-failure", screenshots: false },
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
