import { PipecatClient } from "@pipecat-ai/client-js";
import { WavMediaManager, WebSocketTransport } from "@pipecat-ai/websocket-transport";

import { expose } from "../expose.js";

expose(PipecatClient, WebSocketTransport, WavMediaManager);
