/// <reference types="vitest/config" />
import { defineConfig } from "vite";

import { compressed } from "./compress";

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
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx", "*.test.ts"] },
});
