// A conversation by OpenAI's own JavaScript client: asks, interrupts, and runs a function.
//
// node talk.js URL CERTIFICATE, with {"name": "base64 of mono s16le at 24 kHz"} on standard input. Prints what
// has come of it as JSON.

import { readFileSync } from "node:fs";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const PACKET_BYTES = 960; // 20 ms
const said = Object.fromEntries(
  Object.entries(JSON.parse(readFileSync(0, "utf8"))).map(([name, pcm]) => [
    name,
    Buffer.from(pcm, "base64"),
  ]),
);

const client = new OpenAI({ apiKey: "none", baseURL: process.argv[2] });
const realtime = new OpenAIRealtimeWS(
  { model: "gpt-realtime", options: { ca: readFileSync(process.argv[3]) } },
  client,
);
const events = [];
const waiting = [];
let audioBytes = 0;
let toSay = Buffer.alloc(0);

realtime.on("event", (event) => {
  events.push(event);
  if (event.type === "response.output_audio.delta") {
    audioBytes += Buffer.from(event.delta, "base64").length;
  }
  for (const look of [...waiting]) look();
});
realtime.on("error", (error) => {
  console.error(error);
  process.exit(1);
});

function waitFor(type, after = 0) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${type}`)), 20_000);
    const look = () => {
      const found = events.slice(after).find((event) => event.type === type);
      if (found) {
        clearTimeout(timer);
        waiting.splice(waiting.indexOf(look), 1);
        resolve(found);
      }
    };
    waiting.push(look);
    look();
  });
}

const microphone = setInterval(() => {
  const packet = Buffer.alloc(PACKET_BYTES);
  toSay.copy(packet, 0, 0, PACKET_BYTES);
  toSay = toSay.subarray(PACKET_BYTES);
  if (realtime.socket.readyState === 1) {
    realtime.send({ type: "input_audio_buffer.append", audio: packet.toString("base64") });
  }
}, 20);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

await waitFor("session.created");
realtime.send({
  type: "session.update",
  session: {
    type: "realtime",
    tools: [
      {
        type: "function",
        name: "get_weather",
        description: "Tell the weather.",
        parameters: { type: "object", properties: { city: { type: "string" } } },
      },
    ],
  },
});
await waitFor("session.updated");

toSay = said.short_story;
const story = await waitFor("response.output_audio_transcript.done");
const told = await waitFor("response.done");

let after = events.length;
toSay = said.story;
const item = (await waitFor("response.output_item.added", after)).item;
await waitFor("response.output_audio.delta", after);
await pause(1200);
toSay = said.stop;
const cut = await waitFor("response.done", after);
realtime.send({
  type: "conversation.item.truncate",
  item_id: item.id,
  content_index: 0,
  audio_end_ms: 1200,
});
const truncated = await waitFor("conversation.item.truncated", after);
await waitFor("response.done", events.indexOf(cut) + 1);

after = events.length;
toSay = said.weather;
const call = await waitFor("response.function_call_arguments.done", after);
await waitFor("response.done", after);
after = events.length;
realtime.send({
  type: "conversation.item.create",
  item: { type: "function_call_output", call_id: call.call_id, output: "it rains" },
});
realtime.send({ type: "response.create" });
const weather = await waitFor("response.output_audio_transcript.done", after);

clearInterval(microphone);
realtime.close();
console.log(
  JSON.stringify({
    story: story.transcript,
    status: told.response.status,
    cut: cut.response.status_details,
    truncated: truncated.audio_end_ms,
    call: { name: call.name, arguments: call.arguments },
    weather: weather.transcript,
    audio_secs: audioBytes / 48_000,
    errors: events.filter((event) => event.type === "error"),
  }),
);
