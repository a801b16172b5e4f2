/** The program of the decoding thread: one job at a time, in the order they come. */
import { parentPort } from 'node:worker_threads';
import { addTypes } from '#api/schema/facts.ts';
import { type DecodeJob, type TypesNotice, toWire } from './decode-job.ts';

if (parentPort === null) throw new Error('decode-worker.ts is the program of a worker thread: use BodyDecoder');
const port = parentPort;
let forgetTypes = (): void => {};
port.on('message', (message: DecodeJob | TypesNotice) => {
  if (message.kind !== 'types') return port.postMessage(toWire(message));
  forgetTypes();
  forgetTypes = message.text === '' ? () => {} : addTypes(message.text);
});
