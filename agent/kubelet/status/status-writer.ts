/**
 * Writes pod statuses to the API server: only the changes, with retries until it succeeds. Then it deletes the pods that have terminated.
 *
 * Source: upstream `pkg/kubelet/status/status_manager.go`.
 */

import type { Logger } from 'pino';
import { isNewerVersion, keyOf, sameJson } from '#api/meta.ts';
import { isConflict, isInvalid, isNotFound } from '#api/status.ts';
import type { Pod, PodStatus } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { isStaticPod } from '../static/static-pod.ts';
import { statusPatch } from './status-patch.ts';

/** The statuses that this kubelet reports. A write that fails is tried again until it succeeds or the pod is gone. */
export interface StatusWriter {
  /** The status that was last set, even if it is not written yet; `pod.status` before the first one. */
  current(pod: Pod): PodStatus;
  /** Sets a status to write. A status that the API server has already is not written again. */
  set(pod: Pod, status: PodStatus): void;
  /** The pod has ended and its resources are free: after its last status, it is deleted from the API with a grace period of 0. */
  finish(pod: Pod): void;
  /** The pod left the API. A status that is not written yet is dropped. */
  forget(uid: string): void;
  /** Stops writing. Settles when no request is in flight. */
  stop(): Promise<void>;
}

/** Where the statuses of static pods are written to. */
export interface MirrorStatuses {
  /** The API's image of the static pod with this UID. Undefined: there is none. */
  mirrored(uid: string, mirror: Pod | undefined): void;
}

interface Entry {
  pod: Pod;
  /** The newest version of what is written to: the pod itself, or its mirror pod. Undefined: the API has none. */
  api: Pod | undefined;
  status: PodStatus;
  /** Counts the changes; `written` is the one that the API server has. */
  version: number;
  written: number;
  finished: boolean;
  deleted: boolean;
  busy: boolean;
  attempts: number;
  cancelRetry: () => void;
}

const maxRetryMs = 10_000;
/** A status writer: one request at a time for each pod, and a wait of 10 s at most between tries. */
export function createStatusWriter({
  client,
  clock,
  log,
}: {
  client: Client;
  clock: Clock;
  log: Logger;
}): StatusWriter & MirrorStatuses {
  const entries = new Map<string, Entry>();
  /** By the UIDs of their static pods. */
  const mirrors = new Map<string, Pod>();
  const inFlight = new Set<Promise<void>>();
  const pods = client.resource('pods');
  let stopped = false;

  async function write(entry: Entry): Promise<void> {
    const { api, status, version } = entry;
    if (api === undefined) return;
    const { name, namespace, uid } = api.metadata;
    if (entry.written < version) {
      const patch = statusPatch(uid, api.status ?? {}, status, { conditions: 'type', podIPs: 'ip', hostIPs: 'ip' });
      if (patch !== undefined) {
        const written = await pods.patch({ namespace, name }, { type: 'strategic', body: patch }, { subresource: 'status' });
        if (entry.api?.metadata.uid === uid) entry.api = written;
      }
      entry.written = Math.max(entry.written, version);
    }
    if (entry.finished && !entry.deleted && entry.written === entry.version) {
      await pods.delete({ namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
      entry.deleted = true;
    }
  }

  const isDone = (entry: Entry): boolean =>
    entry.api === undefined || (entry.written === entry.version && (!entry.finished || entry.deleted));

  async function drain(entry: Entry): Promise<void> {
    entry.busy = true;
    entry.cancelRetry();
    try {
      while (!stopped && !isDone(entry)) await write(entry);
      entry.attempts = 0;
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) {
        // The pod is gone, or another pod has its name now, so there is nothing to write.
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

  /** Patches are computed against the newest copy of the API server, which may be newer than what the last write returned. */
  const refresh = (entry: Entry, api: Pod): void => {
    const isSame = entry.api?.metadata.uid === api.metadata.uid;
    if (entry.api !== undefined && isSame && !isNewerVersion(api, entry.api)) return;
    entry.api = api;
  };

  const entryOf = (pod: Pod): Entry => {
    const known = entries.get(pod.metadata.uid);
    if (known !== undefined) {
      if (!isStaticPod(pod)) refresh(known, pod);
      return known;
    }
    const entry: Entry = {
      pod,
      api: isStaticPod(pod) ? mirrors.get(pod.metadata.uid) : pod,
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
      if (sameJson(entry.status, status) && (entry.api === undefined || sameJson(entry.api.status, status))) return;
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
    mirrored(uid, mirror) {
      const entry = entries.get(uid);
      if (mirror === undefined) mirrors.delete(uid);
      else mirrors.set(uid, mirror);
      if (entry === undefined) return;
      const isAnother = mirror !== undefined && entry.api?.metadata.uid !== mirror.metadata.uid;
      if (mirror === undefined) entry.api = undefined;
      else refresh(entry, mirror);
      // What another mirror pod was told, this one has to be told.
      if (isAnother) entry.version++;
      kick(entry);
    },
    async stop() {
      stopped = true;
      for (const entry of entries.values()) entry.cancelRetry();
      await Promise.all(inFlight);
    },
  };
}
