// Pipecat's client as its users have it, and what it tells, for a test to look at.
//
// WavMediaManager is the one of its two that works without a CDN.
const RECORDER_RATE = 16000;
const RECORDER_CHUNK = 512;

export function expose(PipecatClient, WebSocketTransport, WavMediaManager) {
  const events = [];
  const note = (name) => (data) => events.push({ name, data });
  const names = [
    "onConnected",
    "onDisconnected",
    "onBotReady",
    "onUserStartedSpeaking",
    "onUserStoppedSpeaking",
    "onUserTranscript",
    "onBotStartedSpeaking",
    "onBotStoppedSpeaking",
    "onBotLlmText",
    "onBotTtsText",
    "onBotOutput",
    "onServerMessage",
    "onMessageError",
    "onError",
  ];
  window.events = events;
  window.client = new PipecatClient({
    transport: new WebSocketTransport({
      mediaManager: new WavMediaManager(RECORDER_CHUNK, RECORDER_RATE),
      recorderSampleRate: RECORDER_RATE,
    }),
    enableMic: true,
    enableCam: false,
    callbacks: Object.fromEntries(names.map((name) => [name, note(name)])),
  });
}
