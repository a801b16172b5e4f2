/**
 * The events of containers. They come from CRI's GetContainerEvents (containerd 1.7 and later), or, when the runtime does not
 * have it, from containerd's own event stream.
 */
import { PassThrough } from 'node:stream';
import { type Clock, sleep } from '#client/clock.ts';
import { type ContainerRuntime, isNotFound, RuntimeError } from '../runtime.ts';
import type { ContainerEvent, ContainerEventType } from '../types.ts';
import type { Connection } from './connection.ts';
import { loadMessageType } from './proto.ts';
import type { WirePodSandboxStatus } from './wire.ts';

/** What {@link subscribeContainerEvents} reads from. */
export interface EventSource {
  connection: Connection;
  clock: Clock;
  runtime: Pick<ContainerRuntime, 'containerStatus' | 'podSandboxStatus'>;
}

/**
 * Returns the events of containers. It subscribes at once, not only at the first `next()`, so that no event in between is missed.
 * @throws RuntimeError when the stream breaks
 */
export function subscribeContainerEvents(source: EventSource, signal: AbortSignal): AsyncIterable<ContainerEvent> {
  const queue = new PassThrough({ objectMode: true });
  const stop = new AbortController();
  queue.once('close', () => stop.abort());
  queue.on('error', () => undefined);
  pump(source, AbortSignal.any([signal, stop.signal]), (event) => queue.write(event)).then(
    () => queue.end(),
    (error: Error) => queue.destroy(error),
  );
  return queue as AsyncIterable<ContainerEvent>;
}

async function pump(source: EventSource, signal: AbortSignal, emit: (event: ContainerEvent) => void): Promise<void> {
  try {
    await pumpCriEvents(source, signal, emit);
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== 'Unimplemented') throw error;
    await pumpContainerdEvents(source, signal, emit);
  }
}

interface WireContainerEvent {
  containerId: string;
  containerEventType: ContainerEventType;
  createdAt: number;
  podSandboxStatus: WirePodSandboxStatus | null;
}

async function pumpCriEvents(
  { connection }: EventSource,
  signal: AbortSignal,
  emit: (event: ContainerEvent) => void,
): Promise<void> {
  for await (const event of connection.stream<WireContainerEvent>(
    'runtime.v1.RuntimeService',
    'GetContainerEvents',
    {},
    signal,
  )) {
    emit({
      containerId: event.containerId,
      type: event.containerEventType,
      createdAtMs: event.createdAt / 1e6,
      podSandboxId: event.podSandboxStatus?.id,
      podUid: event.podSandboxStatus?.metadata?.uid,
    });
  }
}

/* ------------------------------------------------------------------ containerd's own events */

interface Envelope {
  timestamp: { seconds: number; nanos: number } | null;
  topic: string;
  event: { value: Uint8Array } | null;
}

const eventTypes: Readonly<Record<string, ContainerEventType>> = {
  '/containers/create': 'CONTAINER_CREATED_EVENT',
  '/containers/delete': 'CONTAINER_DELETED_EVENT',
  '/tasks/start': 'CONTAINER_STARTED_EVENT',
  '/tasks/exit': 'CONTAINER_STOPPED_EVENT',
};

/** The containerd namespace in which the CRI plugin keeps its containers. */
export const criNamespace = 'k8s.io';
const filters = ['tasks', 'containers'].map(
  (kind) => `namespace==${criNamespace},topic~="^/${kind}/(start|exit|create|delete)$"`,
);

async function pumpContainerdEvents(
  source: EventSource,
  signal: AbortSignal,
  emit: (event: ContainerEvent) => void,
): Promise<void> {
  const decoders = {
    '/tasks/start': loadMessageType('containerd-events', 'containerd.services.events.v1.TaskEvent'),
    '/tasks/exit': loadMessageType('containerd-events', 'containerd.services.events.v1.TaskExit'),
    '/containers/create': loadMessageType('containerd-events', 'containerd.services.events.v1.ContainerEvent'),
    '/containers/delete': loadMessageType('containerd-events', 'containerd.services.events.v1.ContainerEvent'),
  } as const;
  const envelopes = source.connection.stream<Envelope>('containerd.services.events.v1.Events', 'Subscribe', { filters }, signal);
  const settling = new Set<Promise<void>>();
  /** Ids of the tasks that are known to be sandboxes, so that their status is not asked for as a container's first. */
  const sandboxes = new Set<string>();
  try {
    for await (const { topic, timestamp, event } of envelopes) {
      const type = eventTypes[topic];
      const decoder = decoders[topic as keyof typeof decoders];
      if (type === undefined || decoder === undefined || event === null) continue;
      const { containerId, id, pid } = decoder.decode(event.value) as { containerId?: string; id?: string; pid?: number };
      if (topic === '/tasks/exit' && id !== containerId) continue; // The end of an exec, not of the container.
      const subject = containerId ?? id ?? '';
      const emitted = {
        containerId: subject,
        type,
        createdAtMs: (timestamp?.seconds ?? 0) * 1000 + (timestamp?.nanos ?? 0) / 1e6,
        ...(topic === '/tasks/exit' ? { pid } : {}),
      };
      if (type === 'CONTAINER_DELETED_EVENT') sandboxes.delete(subject);
      const settled = waitUntilVisible(source, sandboxes, type, subject, signal).then(() => emit(emitted));
      settling.add(settled);
      void settled.finally(() => settling.delete(settled));
    }
  } finally {
    await Promise.all(settling);
  }
}

/**
 * Waits until the runtime's answers show the state after the event. containerd's CRI plugin learns of a task's start and end from
 * the same events, so for some milliseconds it still reports the old state. A caller that read the old state after an event would
 * keep it until the next relist.
 */
async function waitUntilVisible(
  { clock, runtime }: EventSource,
  sandboxes: Set<string>,
  type: ContainerEventType,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  if (type !== 'CONTAINER_STARTED_EVENT' && type !== 'CONTAINER_STOPPED_EVENT') return;
  const before = type === 'CONTAINER_STARTED_EVENT' ? 'CONTAINER_CREATED' : 'CONTAINER_RUNNING';
  for (let delayMs = 1; delayMs <= 512 && !signal.aborted; delayMs *= 2) {
    if ((await currentState(runtime, sandboxes, id)) !== before) return;
    await sleep(clock, delayMs, signal);
  }
}

/** The state of a container, or of a sandbox as the corresponding container state. `undefined` when it cannot be read. */
async function currentState(runtime: EventSource['runtime'], sandboxes: Set<string>, id: string): Promise<string | undefined> {
  try {
    if (!sandboxes.has(id)) return (await runtime.containerStatus(id)).state;
  } catch (error) {
    if (!isNotFound(error)) return undefined; // The event is emitted all the same. The caller's own status call reports the failure.
  }
  try {
    const { state } = await runtime.podSandboxStatus(id);
    sandboxes.add(id);
    return state === 'SANDBOX_READY' ? 'CONTAINER_RUNNING' : 'CONTAINER_EXITED';
  } catch {
    return undefined; // As above.
  }
}
