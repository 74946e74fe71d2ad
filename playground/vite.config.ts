import { defineConfig } from "vite";

/** The server during `npm run dev`. */
const SERVER = "ws://localhost:8765";

export default defineConfig({
  build: {
    target: "es2022",
    outDir: "../src/voicewire/web",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the page's Content-Security-Policy allows no data: URLs
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/ws": { target: SERVER, ws: true } } },
});
