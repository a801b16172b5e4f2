/** The program of the decoding thread: one job at a time, in the order they come. */
import { parentPort } from 'node:worker_threads';
import { addDetails, addTypes } from '#api/schema/facts.ts';
import { detailedType } from '#api/structural-schema/schema-types.ts';
import type { JSONSchemaProps } from '#api/types.generated.ts';
import { type DecodeJob, type DetailsNotice, type TypesNotice, toWire } from './decode-job.ts';

if (parentPort === null) throw new Error('decode-worker.ts is the program of a worker thread: use BodyDecoder');
const port = parentPort;
let forgetTypes = (): void => {};
const forgetDetails = new Map<string, () => void>();
port.on('message', (message: DecodeJob | TypesNotice | DetailsNotice) => {
  if (message.kind === 'types') {
    forgetTypes();
    forgetTypes = message.text === '' ? () => {} : addTypes(message.text);
  } else if (message.kind === 'details') {
    const { typeName, source } = message;
    forgetDetails.get(typeName)?.();
    if (source === undefined) forgetDetails.delete(typeName);
    else forgetDetails.set(typeName, addDetails(typeName, detailedType(typeName, JSON.parse(source) as JSONSchemaProps)));
  } else port.postMessage(toWire(message));
});
