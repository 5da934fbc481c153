/// <reference types="vitest/config" />
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

// What the page may weigh: all its scripts together, as browsers get them.
const mostScript = 250_000;

/** Writes each file of the page compressed beside it, since what serves it does not compress. Fails where the scripts weigh too much. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir }) {
      const assets = join(dir!, "assets");
      let script = 0;
      for (const name of readdirSync(assets)) {
        const content = readFileSync(join(assets, name));
        const brotli = brotliCompressSync(content, {
          params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
        });
        if (name.endsWith(".js")) script += brotli.length;
        if (brotli.length >= content.length) continue;
        writeFileSync(join(assets, `${name}.br`), brotli);
        writeFileSync(join(assets, `${name}.gz`), gzipSync(content, { level: 9 }));
      }
      if (script > mostScript) this.error(`the scripts weigh ${script} bytes compressed; the most is ${mostScript}`);
      this.info(`all scripts, compressed by brotli: ${script} of ${mostScript} bytes`);
    },
  };
}

export default defineConfig({
  plugins: [compressed()],
  esbuild: { jsx: "automatic" },
  build: {
    // dist itself is kept in the repository, empty, so that the Go package compiles before the first build.
    outDir: "dist/page",
    emptyOutDir: true,
    target: "es2022",
    // The page's policy lets nothing in that is written into the page itself.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      // Directives for servers that render pages mean nothing here.
      onLog: (level, log, handler) => log.code !== "MODULE_LEVEL_DIRECTIVE" && handler(level, log),
    },
    chunkSizeWarningLimit: 600,
    license: { fileName: "assets/licences.md" },
  },
  server: {
    // `npm run dev` beside `make run`: the page from here, the API from there.
    proxy: Object.fromEntries(
      ["/api", "/config.json", "/health", "/docs", "/openapi.json"].map((path) => [path, "http://127.0.0.1:8080"]),
    ),
  },
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
});
