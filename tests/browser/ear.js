// Listens to what a page's audio contexts send to the loudspeakers, sample by sample, in the
// browser's audio thread. `window.ear.read()` tells of the context that was loudest.
(() => {
  const EAR = `
    registerProcessor("ear", class extends AudioWorkletProcessor {
      samples = new Float32Array(1280);
      length = 0;
      process([channels]) {
        this.samples.set(channels[0] ?? new Float32Array(128), this.length);
        this.length += 128;
        if (this.length === this.samples.length) {
          const endedAt = currentTime + 128 / sampleRate;
          this.port.postMessage({ endedAt, samples: this.samples });
          this.length = 0;
        }
        return true;
      }
    });`;
  const url = URL.createObjectURL(new Blob([EAR], { type: "application/javascript" }));
  const ears = new Map();

  const { addModule } = AudioWorklet.prototype;
  AudioWorklet.prototype.addModule = async function (...args) {
    await addModule.call(this, url);
    return addModule.apply(this, args);
  };

  const { connect } = AudioNode.prototype;
  AudioNode.prototype.connect = function (to, ...args) {
    if (to instanceof AudioDestinationNode) {
      connect.call(this, earOf(this.context).node);
    }
    return connect.call(this, to, ...args);
  };

  function earOf(context) {
    if (!ears.has(context)) {
      const node = new AudioWorkletNode(context, "ear", {
        channelCount: 1,
        channelCountMode: "explicit",
      });
      connect.call(node, context.destination); // it is silent; but without a way out it sleeps
      const ear = { node, context, pieces: [], offsets: [], loudness: 0, startedAt: 0 };
      node.port.onmessage = ({ data: { endedAt, samples } }) => {
        ear.pieces.push(Int16Array.from(samples, (x) => Math.max(-1, Math.min(1, x)) * 32767));
        ear.loudness += samples.reduce((sum, x) => sum + x * x, 0);
        ear.startedAt ||= endedAt - samples.length / context.sampleRate;
        ear.offsets.push((performance.timeOrigin + performance.now()) / 1000 - endedAt);
      };
      ears.set(context, ear);
    }
    return ears.get(context);
  }

  window.ear = {
    read() {
      const [ear] = [...ears.values()].sort((a, b) => b.loudness - a.loudness);
      if (ear === undefined) {
        return { pcm: "", sampleRate: 24000, startedAt: 0 };
      }
      const bytes = new Uint8Array(
        ear.pieces.reduce((length, piece) => length + piece.byteLength, 0),
      );
      let offset = 0;
      for (const piece of ear.pieces) {
        bytes.set(new Uint8Array(piece.buffer), offset);
        offset += piece.byteLength;
      }
      // From the audio clock to the wall's: messages come late, by a few milliseconds mostly.
      const clocks = ear.offsets.sort((a, b) => a - b)[ear.offsets.length >> 1];
      return {
        pcm: toBase64(bytes),
        sampleRate: ear.context.sampleRate,
        startedAt: ear.startedAt + clocks,
      };
    },
  };

  function toBase64(bytes) {
    let binary = "";
    for (let i = 0; i < bytes.length; i += 32768) {
      binary += String.fromCharCode(...bytes.subarray(i, i + 32768));
    }
    return btoa(binary);
  }
})();
