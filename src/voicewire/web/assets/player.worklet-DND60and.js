// src/jitter-buffer.ts
/** Without a glitch for so long, the buffer is made smaller. */
var SHRINK_AFTER_SECS = 10;
/** By this part of it, so that it takes minutes to forget a bad network. */
var SHRINK_BY = .1;
/** Quieter than this, a block is a pause in which a little may be left out: -50 dBFS. */
var SILENCE = .003;
/** How fast the sound fades where it is cut, to make no click. */
var FADE_SAMPLES = 64;
/** Int16 to -1..1. */
var SCALE = 1 / 32768;
/**
* Plays audio that arrives unevenly.
*
* It begins to play when the target is gathered, or when it has waited that long. When it runs dry
* before the utterance is over, that is a glitch: what came too late widens the target by as much,
* and it gathers again. After ten seconds without a glitch the target shrinks by a tenth, and what
* has been in the buffer needlessly all that time is left out in pauses.
*/
var JitterBuffer = class {
	#sampleRate;
	#minSamples;
	#maxSamples;
	#waiting = [];
	#headOffset = 0;
	#buffered = 0;
	#played = 0;
	#target;
	#glitches = 0;
	#state = "idle";
	#since = 0;
	#calmSince = 0;
	#leastBuffered = Infinity;
	#surplus = 0;
	#lastSample = 0;
	#fadeLeft = 0;
	constructor({ sampleRate, startMs = 60, minMs = 20, maxMs = 1e3 }) {
		this.#sampleRate = sampleRate;
		this.#minSamples = this.#samples(minMs);
		this.#maxSamples = this.#samples(maxMs);
		this.#target = this.#samples(startMs);
	}
	get state() {
		return {
			playedMs: this.#ms(this.#played),
			bufferedMs: this.#ms(this.#buffered),
			targetMs: this.#ms(this.#target),
			glitches: this.#glitches,
			isPlaying: this.#state === "playing"
		};
	}
	/** An utterance begins: that there was nothing to play before it was no glitch. */
	begin() {
		if (this.#state === "dry") this.#state = "idle";
	}
	/** Take what has arrived. */
	push(samples, now) {
		if (samples.length === 0) return;
		if (this.#state === "dry") {
			this.#glitches++;
			const late = Math.round((now - this.#since) * this.#sampleRate);
			this.#target = Math.min(this.#maxSamples, this.#target + late);
			this.#beCalmFrom(now);
		}
		if (this.#state === "dry" || this.#state === "idle") {
			this.#state = "gathering";
			this.#since = now;
		}
		this.#waiting.push(samples);
		this.#buffered += samples.length;
	}
	/** Fill `out` with what is to be played next; silence where there is nothing. */
	pull(out, now) {
		if (this.#state === "gathering") {
			if ((now - this.#since) * this.#sampleRate >= this.#target || this.#buffered >= this.#target) {
				this.#state = "playing";
				this.#beCalmFrom(now);
			}
		}
		if (this.#state !== "playing") {
			this.#fadeOut(out, 0);
			return;
		}
		this.#leaveOutPause(out.length);
		const length = this.#take(out);
		this.#leastBuffered = Math.min(this.#leastBuffered, this.#buffered);
		if (length < out.length) {
			this.#fadeOut(out, length);
			this.#state = "dry";
			this.#since = now;
		} else if (now - this.#calmSince > SHRINK_AFTER_SECS) this.#shrink(now);
	}
	/** Drop everything; the next sound is the first of a new stream. Returns the old one's state. */
	flush() {
		const { state } = this;
		this.#waiting.length = 0;
		this.#headOffset = this.#buffered = this.#played = this.#surplus = 0;
		this.#state = "idle";
		return state;
	}
	#beCalmFrom(now) {
		this.#calmSince = now;
		this.#leastBuffered = Infinity;
		this.#surplus = 0;
	}
	#shrink(now) {
		const unused = this.#leastBuffered - this.#minSamples;
		const step = Math.max(0, Math.min(unused, Math.ceil(this.#target * SHRINK_BY)));
		this.#beCalmFrom(now);
		this.#surplus = step;
		this.#target = Math.max(this.#minSamples, this.#target - step);
	}
	/** Leave out a block that nobody hears, while there is more than is needed. */
	#leaveOutPause(length) {
		if (this.#surplus < length || this.#buffered < 2 * length || !this.#isSilent(length)) return;
		this.#take(new Float32Array(length));
		this.#surplus -= length;
	}
	#isSilent(length) {
		let offset = this.#headOffset;
		let left = length;
		for (const samples of this.#waiting) {
			for (; offset < samples.length; offset++) {
				if (left-- === 0) return true;
				if (Math.abs(samples[offset]) * SCALE > SILENCE) return false;
			}
			offset = 0;
		}
		return true;
	}
	/** Move what there is into `out`; returns how much. */
	#take(out) {
		let length = 0;
		while (length < out.length && this.#waiting.length > 0) {
			const head = this.#waiting[0];
			const end = Math.min(head.length, this.#headOffset + out.length - length);
			for (let i = this.#headOffset; i < end; i++) out[length++] = head[i] * SCALE;
			this.#headOffset = end;
			if (end === head.length) {
				this.#waiting.shift();
				this.#headOffset = 0;
			}
		}
		this.#buffered -= length;
		this.#played += length;
		if (length > 0) {
			this.#lastSample = out[length - 1];
			this.#fadeLeft = FADE_SAMPLES;
		}
		return length;
	}
	#fadeOut(out, from) {
		for (let i = from; i < out.length; i++) {
			this.#fadeLeft = Math.max(0, this.#fadeLeft - 1);
			out[i] = this.#lastSample * (this.#fadeLeft / FADE_SAMPLES);
		}
	}
	#samples(ms) {
		return Math.round(ms * this.#sampleRate / 1e3);
	}
	#ms(samples) {
		return samples * 1e3 / this.#sampleRate;
	}
};
// src/player.worklet.ts
/** Plays what the page hands it. Runs in the browser's audio thread. */
var REPORT_SECS = .05;
var PlayerProcessor = class extends AudioWorkletProcessor {
	#buffer = new JitterBuffer({ sampleRate });
	#isPlaying = false;
	#level = 0;
	#reportAt = 0;
	constructor() {
		super();
		this.port.onmessage = ({ data }) => {
			if (data.kind === "audio") this.#buffer.push(data.samples, currentTime);
			else if (data.kind === "begin") this.#buffer.begin();
			else this.#post({
				kind: "flushed",
				...this.#buffer.flush()
			});
		};
	}
	process(_, [[out]]) {
		this.#buffer.pull(out, currentTime);
		const { state } = this.#buffer;
		if (state.isPlaying !== this.#isPlaying) {
			this.#isPlaying = state.isPlaying;
			this.#post({
				kind: "playing",
				isPlaying: state.isPlaying
			});
		}
		for (const sample of out) this.#level = Math.max(this.#level, Math.abs(sample));
		if (currentTime >= this.#reportAt) {
			this.#reportAt = currentTime + REPORT_SECS;
			this.#post({
				kind: "report",
				level: this.#level,
				...state
			});
			this.#level = 0;
		}
		return true;
	}
	#post(message) {
		this.port.postMessage(message);
	}
};
registerProcessor("voicewire-player", PlayerProcessor);
