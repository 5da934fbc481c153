import type { BrowserContext } from "@playwright/test";

/** What a page must not do by itself: each is a finding unless a test has declared it. */
export class Watch {
  private readonly found: string[] = [];
  private readonly declared: RegExp[] = [];

  /** Declares that something like this will be seen, as the test is about it. */
  allow(...like: RegExp[]) {
    this.declared.push(...like);
  }

  /** What was found and not declared. */
  get findings(): string[] {
    return this.found.filter((text) => !this.declared.some((like) => like.test(text)));
  }

  async over(context: BrowserContext) {
    context.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      this.found.push(`console ${message.type()}: ${message.text()} (${message.location().url})`);
    });
    context.on("weberror", (error) => this.found.push(`page error: ${error.error().stack ?? error.error().message}`));
    context.on("requestfailed", (request) => {
      const why = request.failure()?.errorText ?? "no reason";
      // The page gives up requests of views that were left, and a download ends the request that it came by.
      if (why !== "net::ERR_ABORTED") this.found.push(`request failed: ${request.method()} ${request.url()}: ${why}`);
    });
    // Chromium tells of some violations in no console.
    await context.exposeFunction("e2eViolation", (text: string) => this.found.push(`policy violation: ${text}`));
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (e) => {
        const tell = (window as unknown as { e2eViolation(text: string): void }).e2eViolation;
        tell(`${e.effectiveDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber} ${e.sample}`);
      });
    });
  }
}
