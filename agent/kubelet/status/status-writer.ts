/**
 * Reports pod statuses to the API server: only what changed, newest last, as long as it takes; and deletes pods that have ended.
 *
 * Source: upstream `pkg/kubelet/status/status_manager.go`.
 */

import type { Logger } from 'pino';
import { keyOf, sameJson } from '#api/meta.ts';
import { isConflict, isInvalid, isNotFound } from '#api/status.ts';
import type { Pod, PodStatus } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { statusPatch } from './status-patch.ts';

export interface StatusWriter {
  /** What was last set, or `pod.status`. */
  current(pod: Pod): PodStatus;
  /** Takes note of a status; the same as before is nothing new. */
  set(pod: Pod, status: PodStatus): void;
  /** The pod has ended and its resources are free: after its last status, delete it from the API with no grace. */
  finish(pod: Pod): void;
  forget(uid: string): void;
  /** Stops trying. Settles when no request is in flight. */
  stop(): Promise<void>;
}

interface Entry {
  pod: Pod;
  status: PodStatus;
  /** Raised by each change; what was written is compared with it. */
  version: number;
  written: number;
  finished: boolean;
  deleted: boolean;
  busy: boolean;
  attempts: number;
  cancelRetry: () => void;
}

const maxRetryMs = 10_000;
export function createStatusWriter({ client, clock, log }: { client: Client; clock: Clock; log: Logger }): StatusWriter {
  const entries = new Map<string, Entry>();
  const inFlight = new Set<Promise<void>>();
  const pods = client.resource('pods');
  let stopped = false;

  async function write(entry: Entry): Promise<void> {
    const { pod, status, version } = entry;
    const name = { namespace: pod.metadata.namespace, name: pod.metadata.name };
    if (entry.written < version) {
      const patch = statusPatch(pod.metadata.uid, pod.status ?? {}, status, { conditions: 'type', podIPs: 'ip', hostIPs: 'ip' });
      if (patch !== undefined) entry.pod = await pods.patch(name, { type: 'strategic', body: patch }, { subresource: 'status' });
      entry.written = version;
    }
    if (entry.finished && !entry.deleted && entry.written === entry.version) {
      await pods.delete(name, { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } });
      entry.deleted = true;
    }
  }

  const isDone = (entry: Entry): boolean => entry.written === entry.version && (!entry.finished || entry.deleted);

  async function drain(entry: Entry): Promise<void> {
    entry.busy = true;
    entry.cancelRetry();
    try {
      while (!stopped && !isDone(entry)) await write(entry);
      entry.attempts = 0;
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) {
        // The pod is gone, or another pod has its name now: there is nobody to report to.
        entry.written = entry.version;
        entry.deleted = entry.finished;
      } else {
        entry.attempts++;
        const delayMs = Math.min(500 * 2 ** entry.attempts, maxRetryMs);
        log[isInvalid(error) ? 'error' : 'warn'](
          { err: error, pod: keyOf(entry.pod), delayMs },
          'a pod status could not be written; will be tried again',
        );
        if (!stopped) entry.cancelRetry = clock.after(delayMs, () => kick(entry));
      }
    } finally {
      entry.busy = false;
    }
  }

  function kick(entry: Entry): void {
    if (stopped || entry.busy || isDone(entry)) return;
    const running = drain(entry).finally(() => inFlight.delete(running));
    inFlight.add(running);
  }

  const entryOf = (pod: Pod): Entry => {
    const known = entries.get(pod.metadata.uid);
    if (known !== undefined) {
      // The server's copy is newer than what the last write returned: differences are computed against it.
      if (pod.metadata.resourceVersion !== known.pod.metadata.resourceVersion && isNewer(pod, known.pod)) known.pod = pod;
      return known;
    }
    const entry: Entry = {
      pod,
      status: pod.status ?? {},
      version: 0,
      written: 0,
      finished: false,
      deleted: false,
      busy: false,
      attempts: 0,
      cancelRetry: () => undefined,
    };
    entries.set(pod.metadata.uid, entry);
    return entry;
  };

  return {
    current: (pod) => entries.get(pod.metadata.uid)?.status ?? pod.status ?? {},
    set(pod, status) {
      const entry = entryOf(pod);
      if (sameJson(entry.status, status) && sameJson(entry.pod.status, status)) return;
      entry.status = status;
      entry.version++;
      kick(entry);
    },
    finish(pod) {
      const entry = entryOf(pod);
      entry.finished = true;
      kick(entry);
    },
    forget(uid) {
      entries.get(uid)?.cancelRetry();
      entries.delete(uid);
    },
    async stop() {
      stopped = true;
      for (const entry of entries.values()) entry.cancelRetry();
      await Promise.all(inFlight);
    },
  };
}

/** Revisions of one store count up. */
const isNewer = (a: Pod, b: Pod): boolean => Number(a.metadata.resourceVersion) > Number(b.metadata.resourceVersion);
