/** Pipecat's protobuf wire: one WebSocket message holds one `Frame`. */

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** Mono 16-bit samples. */
export interface Audio {
  readonly kind: "audio";
  readonly samples: Int16Array<ArrayBuffer>;
  readonly sampleRate: number;
}

/** A message of RTVI, or of the application. */
export interface Message {
  readonly kind: "message";
  readonly json: string;
}

/** A packet of Opus, where both ends have agreed on it. */
export interface Opus {
  readonly kind: "opus";
  readonly packet: Uint8Array<ArrayBuffer>;
}

// Fields of Frame, AudioRawFrame, MessageFrame and OpusFrame.
const FRAME_AUDIO = 2;
const FRAME_MESSAGE = 4;
const FRAME_OPUS = 100;
const AUDIO_AUDIO = 3;
const AUDIO_SAMPLE_RATE = 4;
const AUDIO_NUM_CHANNELS = 5;
const MESSAGE_DATA = 1;
const OPUS_PACKET = 1;

const UTF8 = new TextDecoder("utf-8", { fatal: true });

export function encodeAudio(samples: Int16Array, sampleRate: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  const writer = new BinaryWriter();
  writer.tag(FRAME_AUDIO, WireType.LengthDelimited).fork();
  writer.tag(AUDIO_AUDIO, WireType.LengthDelimited).bytes(bytes);
  writer.tag(AUDIO_SAMPLE_RATE, WireType.Varint).uint32(sampleRate);
  writer.tag(AUDIO_NUM_CHANNELS, WireType.Varint).uint32(1);
  return writer.join().finish() as Uint8Array<ArrayBuffer>;
}

export function encodeOpus(packet: Uint8Array): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  writer.tag(FRAME_OPUS, WireType.LengthDelimited).fork();
  writer.tag(OPUS_PACKET, WireType.LengthDelimited).bytes(packet);
  return writer.join().finish() as Uint8Array<ArrayBuffer>;
}

export function encodeMessage(json: string): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  writer.tag(FRAME_MESSAGE, WireType.LengthDelimited).fork();
  writer.tag(MESSAGE_DATA, WireType.LengthDelimited).string(json);
  return writer.join().finish() as Uint8Array<ArrayBuffer>;
}

/**
 * Returns what is in a message, or null for what has no meaning here.
 *
 * @throws Error: it is no protobuf.
 */
export function decode(data: Uint8Array): Audio | Message | Opus | null {
  const reader = new BinaryReader(data);
  let decoded: Audio | Message | Opus | null = null;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType === WireType.LengthDelimited && field === FRAME_AUDIO) {
      decoded = decodeAudio(reader.bytes());
    } else if (wireType === WireType.LengthDelimited && field === FRAME_MESSAGE) {
      const json = UTF8.decode(bytesAt(MESSAGE_DATA, reader.bytes()));
      decoded = { kind: "message", json };
    } else if (wireType === WireType.LengthDelimited && field === FRAME_OPUS) {
      // A copy: the bytes of a view would keep all of the message.
      decoded = { kind: "opus", packet: bytesAt(OPUS_PACKET, reader.bytes()).slice() };
    } else {
      reader.skip(wireType, field);
    }
  }
  return decoded;
}

function decodeAudio(data: Uint8Array): Audio {
  const reader = new BinaryReader(data);
  let bytes: Uint8Array = new Uint8Array();
  let sampleRate = 0;
  let numChannels = 1;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === AUDIO_AUDIO && wireType === WireType.LengthDelimited) {
      bytes = reader.bytes();
    } else if (field === AUDIO_SAMPLE_RATE && wireType === WireType.Varint) {
      sampleRate = reader.uint32();
    } else if (field === AUDIO_NUM_CHANNELS && wireType === WireType.Varint) {
      numChannels = reader.uint32();
    } else {
      reader.skip(wireType, field);
    }
  }
  // A copy: the samples of a view would have to begin at an even address.
  const samples = new Int16Array(bytes.slice(0, bytes.length & ~1).buffer);
  return { kind: "audio", samples: toMono(samples, numChannels), sampleRate };
}

/** Returns what is in a message's one field that means something here. */
function bytesAt(wanted: number, data: Uint8Array): Uint8Array {
  const reader = new BinaryReader(data);
  let bytes: Uint8Array = new Uint8Array();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === wanted && wireType === WireType.LengthDelimited) {
      bytes = reader.bytes();
    } else {
      reader.skip(wireType, field);
    }
  }
  return bytes;
}

function toMono(samples: Int16Array<ArrayBuffer>, numChannels: number): Int16Array<ArrayBuffer> {
  if (numChannels <= 1) {
    return samples;
  }
  const mono = new Int16Array(Math.floor(samples.length / numChannels));
  for (let i = 0; i < mono.length; i++) {
    let sum = 0;
    for (let channel = 0; channel < numChannels; channel++) {
      sum += samples[i * numChannels + channel] ?? 0;
    }
    mono[i] = sum / numChannels;
  }
  return mono;
}
