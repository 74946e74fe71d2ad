/** Our client's connection, which loses its server and goes on with another: `node come_back.ts A B`. */

import { Connection } from "../../../client/src/connection.ts";

const [first, second] = process.argv.slice(2) as [string, string];
let server = first;
const say = (what: unknown) => console.log(JSON.stringify(what));

await Connection.open(
  async () => server,
  "0",
  "pcm",
  (connection) => {
    const note = (text: string) => connection.send("client-message", { t: "note", d: text });
    connection.on("lost", () => {
      server = second;
      say("lost");
      note("while it was lost");
    });
    connection.on("renewed", () => say("renewed"));
    connection.on("resumed", () => {
      say("resumed");
      note("when it was there again");
    });
    connection.on("close", ({ code }) => say(`closed with ${code}`));
    connection.on("message", ({ type }) => type === "bot-ready" && note("at first"));
  },
);
say("open");
