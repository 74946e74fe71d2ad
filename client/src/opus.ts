/** Opus by the browser's own codecs (WebCodecs). One stream each, mono. */

/** Of audio in a packet. */
const PACKET_MICROSECS = 20_000;

/** Bits a second of what the caller says: a tenth of PCM at 16 kHz. */
const BITRATE = 24_000;

/** Hertz of what browsers decode to, whatever was coded. */
export const OPUS_RATE = 48_000;

/** Returns whether this browser speaks Opus; outside of secure pages none does. */
export async function hasOpus(): Promise<boolean> {
  if (globalThis.AudioEncoder === undefined || globalThis.AudioDecoder === undefined) {
    return false;
  }
  try {
    const [encoder, decoder] = await Promise.all([
      AudioEncoder.isConfigSupported(encoderConfig(OPUS_RATE)),
      AudioDecoder.isConfigSupported(DECODER_CONFIG),
    ]);
    return encoder.supported === true && decoder.supported === true;
  } catch {
    return false; // A browser that knows the codec, but not these settings.
  }
}

/** Makes packets of what the microphone hears. */
export class OpusEncoder {
  readonly #encoder: AudioEncoder;
  #sampleRate = 0;
  #microsecs = 0;

  /**
   * @param onPacket Called with each packet, a moment after its audio was given.
   * @param onFailure Called when the codec has failed; nothing comes out of it any more.
   */
  constructor(onPacket: (packet: Uint8Array) => void, onFailure: () => void) {
    this.#encoder = new AudioEncoder({
      output: (chunk) => {
        const packet = new Uint8Array(chunk.byteLength);
        chunk.copyTo(packet);
        onPacket(packet);
      },
      error: onFailure,
    });
  }

  /** Another rate than before begins a new stream, as when the microphone was changed. */
  encode(samples: Int16Array<ArrayBuffer>, sampleRate: number): void {
    if (sampleRate !== this.#sampleRate) {
      this.#sampleRate = sampleRate;
      this.#encoder.configure(encoderConfig(sampleRate));
    }
    const audio = new AudioData({
      format: "s16",
      sampleRate,
      numberOfFrames: samples.length,
      numberOfChannels: 1,
      timestamp: this.#microsecs,
      data: samples,
    });
    this.#microsecs += (samples.length * 1e6) / sampleRate;
    this.#encoder.encode(audio);
    audio.close();
  }

  close(): void {
    if (this.#encoder.state !== "closed") {
      this.#encoder.close();
    }
  }
}

/** Makes audio of packets, and keeps what comes between them in its place. */
export class OpusDecoder {
  readonly #onAudio: (samples: Int16Array<ArrayBuffer>) => void;
  #decoder: AudioDecoder;
  #numGiven = 0;
  #numDone = 0;
  #later: { readonly number: number; readonly act: () => void }[] = [];

  /** @param onAudio Called with the audio of each packet, at `OPUS_RATE`. */
  constructor(onAudio: (samples: Int16Array<ArrayBuffer>) => void) {
    this.#onAudio = onAudio;
    this.#decoder = this.#open();
  }

  decode(packet: Uint8Array<ArrayBuffer>): void {
    const timestamp = this.#numGiven++ * PACKET_MICROSECS;
    this.#decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: packet }));
  }

  /** Do something when all audio of the packets so far has come out; at once if it has. */
  afterwards(act: () => void): void {
    if (this.#numDone === this.#numGiven) {
      act();
    } else {
      this.#later.push({ number: this.#numGiven, act });
    }
  }

  close(): void {
    this.#later = [];
    if (this.#decoder.state !== "closed") {
      this.#decoder.close();
    }
  }

  #open(): AudioDecoder {
    const decoder = new AudioDecoder({
      output: (audio) => this.#take(audio),
      error: () => {
        // What was in it is lost; the next packet begins anew.
        this.#decoder = this.#open();
        this.#done(this.#numGiven);
      },
    });
    decoder.configure(DECODER_CONFIG);
    return decoder;
  }

  #take(audio: AudioData): void {
    const floats = new Float32Array(audio.numberOfFrames);
    audio.copyTo(floats, { planeIndex: 0, format: "f32-planar" });
    const number = Math.round(audio.timestamp / PACKET_MICROSECS) + 1;
    audio.close();
    this.#onAudio(Int16Array.from(floats, (x) => Math.max(-1, Math.min(1, x)) * 32767));
    this.#done(number);
  }

  #done(number: number): void {
    this.#numDone = number;
    while (this.#later.length > 0 && this.#later[0]!.number <= number) {
      this.#later.shift()!.act();
    }
  }
}

const DECODER_CONFIG: AudioDecoderConfig = {
  codec: "opus",
  sampleRate: OPUS_RATE,
  numberOfChannels: 1,
};

function encoderConfig(sampleRate: number): AudioEncoderConfig {
  return {
    codec: "opus",
    sampleRate,
    numberOfChannels: 1,
    bitrate: BITRATE,
    // Silence is sent as well: the server tells the time by what it hears.
    opus: { frameDuration: PACKET_MICROSECS, usedtx: false },
  };
}
