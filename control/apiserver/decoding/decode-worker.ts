/** The program of the decoding thread: one job at a time, in the order they come. */
import { parentPort } from 'node:worker_threads';
import { type DecodeJob, toWire } from './decode-job.ts';

if (parentPort === null) throw new Error('decode-worker.ts is the program of a worker thread: use BodyDecoder');
const port = parentPort;
port.on('message', (job: DecodeJob) => port.postMessage(toWire(job)));
