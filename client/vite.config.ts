import { defineConfig } from "vite";

// The worklets are files of their own: a page with a strict Content-Security-Policy loads neither
// blob: nor data: URLs.
export default defineConfig({
  plugins: [
    {
      // The comment keeps the worklets' URLs for whoever bundles this package; it has to find them.
      name: "urls-for-the-next-bundler",
      renderChunk: (code) => code.replaceAll("/* @vite-ignore */", ""),
    },
  ],
  build: {
    target: "es2022",
    minify: false,
    lib: {
      entry: {
        index: "src/index.ts",
        "capture.worklet": "src/capture.worklet.ts",
        "player.worklet": "src/player.worklet.ts",
      },
      formats: ["es"],
    },
    rollupOptions: { external: [/^@bufbuild\/protobuf/] },
  },
});
