/** Docker's event stream, in CRI's terms. */

import { createInterface } from 'node:readline';
import { PassThrough, type Readable } from 'node:stream';
import type Docker from 'dockerode';
import { untilAborted } from '#client/until-aborted.ts';
import type { ContainerEvent, ContainerEventType } from '../runtime.ts';
import { RuntimeError } from '../runtime.ts';
import type { DockerApi } from './docker-api.ts';
import { sandboxIdLabel, sandboxMetadata, typeLabel } from './labels.ts';

const types: Readonly<Record<string, ContainerEventType>> = {
  create: 'CONTAINER_CREATED_EVENT',
  start: 'CONTAINER_STARTED_EVENT',
  die: 'CONTAINER_STOPPED_EVENT',
  destroy: 'CONTAINER_DELETED_EVENT',
};

interface DockerEvent {
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  timeNano: number;
}

/**
 * Returns the events of containers. It subscribes at once, not only at the first `next()`, so that no event in between is missed.
 * @throws RuntimeError when the stream breaks
 */
export function subscribeDockerEvents(api: DockerApi, signal: AbortSignal): AsyncIterable<ContainerEvent> {
  const queue = new PassThrough({ objectMode: true });
  queue.on('error', () => undefined); // The iterator reports the error.
  const stop = new AbortController();
  queue.once('close', () => stop.abort());
  pump(api, AbortSignal.any([signal, stop.signal]), queue).then(
    () => queue.end(),
    (error: Error) => (signal.aborted ? queue.end() : queue.destroy(error)),
  );
  return queue as AsyncIterable<ContainerEvent>;
}

async function pump(api: DockerApi, signal: AbortSignal, queue: PassThrough): Promise<void> {
  if (signal.aborted) return;
  const filters = { type: ['container'], event: Object.keys(types) };
  const stream = (await api.call(
    'Events',
    (docker) => docker.getEvents({ filters, abortSignal: signal } as Docker.GetEventsOptions),
    0,
  )) as unknown as Readable;
  signal.addEventListener('abort', () => stream.destroy(), { once: true });
  // readline does not report errors of its input stream.
  const failed = new Promise<never>((_resolve, reject) => stream.once('error', reject));
  failed.catch(() => undefined);
  const lines = createInterface({ input: stream });
  const read = async (): Promise<void> => {
    for await (const line of lines) {
      const event = toEvent(JSON.parse(line) as DockerEvent);
      if (event !== undefined) queue.write(event);
    }
  };
  const aborted = untilAborted(signal);
  await Promise.race([read(), failed, aborted]).catch((error: Error) => {
    throw new RuntimeError('Unavailable', 'Events', `docker's event stream broke: ${error.message}`, { cause: error });
  });
  lines.close();
  if (!signal.aborted) throw new RuntimeError('Unavailable', 'Events', "docker's event stream ended: the daemon has stopped");
}

function toEvent({ Action, Actor, timeNano }: DockerEvent): ContainerEvent | undefined {
  const type = types[Action];
  const labels = Actor.Attributes;
  if (type === undefined || labels[typeLabel] === undefined) return undefined;
  const sandbox = labels[typeLabel] === 'podsandbox';
  return {
    containerId: Actor.ID,
    type,
    createdAtMs: timeNano / 1e6,
    podSandboxId: sandbox ? Actor.ID : labels[sandboxIdLabel],
    podUid: sandbox ? sandboxMetadata(labels).uid : labels['io.kubernetes.pod.uid'],
  };
}
