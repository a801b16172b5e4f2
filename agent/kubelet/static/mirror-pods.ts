/**
 * Keeps the mirror pods in the API as the node's static pods are: makes those that are missing, makes those anew that were deleted or show
 * another manifest, and deletes those whose static pod is gone.
 *
 * Source: upstream `pkg/kubelet/pod/mirror_client.go`, `pkg/kubelet/kubelet.go` (tryReconcileMirrorPods, HandlePodCleanups).
 */

import type { Logger } from 'pino';
import { isNewerVersion, keyOf } from '#api/meta.ts';
import { mirrorAnnotation } from '#api/pod/annotations.ts';
import { isAlreadyExists, isNotFound } from '#api/status.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import type { InformerHandler } from '#client/informer.ts';
import type { MirrorStatuses } from '../status/status-writer.ts';
import { isMirrorPod, mirrorOf, mirrors } from './static-pod.ts';
import type { StaticPods } from './static-pods.ts';

/** What {@link MirrorPods} works with. */
export interface MirrorPodsDeps {
  client: Client;
  statuses: MirrorStatuses;
  statics: Pick<StaticPods, 'get' | 'list'>;
  /** This node as the API has it; undefined: it is not registered. */
  node(): Node | undefined;
  clock: Clock;
  log: Logger;
}

const retryMs = 2_000;

/** The mirror pods of this node. It takes the API's pods, keeps these, and hands the others on. */
export class MirrorPods implements InformerHandler<Pod> {
  readonly #deps: MirrorPodsDeps;
  readonly #others: Required<InformerHandler<Pod>>;
  /** By namespace and name: the newest version of what the API has. */
  readonly #mirrors = new Map<string, Pod>();
  #isComplete = false;
  #isBusy = false;
  #mustLookAgain = false;
  #isStopped = false;
  #cancelRetry: () => void = () => undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(deps: MirrorPodsDeps, others: Required<InformerHandler<Pod>>) {
    this.#deps = deps;
    this.#others = others;
  }

  added(pod: Pod): void {
    if (isMirrorPod(pod)) this.#seen(pod);
    else this.#others.added(pod);
  }

  updated(pod: Pod, previous: Pod): void {
    // The mark of a pod cannot change.
    if (isMirrorPod(pod)) this.#seen(pod);
    else this.#others.updated(pod, previous);
  }

  deleted(pod: Pod): void {
    if (isMirrorPod(pod)) this.#left(pod);
    else this.#others.deleted(pod);
  }

  /** All of the API's pods have been told: from now on what is missing is missing. */
  complete(): void {
    this.#isComplete = true;
    this.reconcile();
  }

  /** Looks soon whether the API has the right mirror pods. */
  reconcile(): void {
    if (!this.#isComplete || this.#isStopped) return;
    if (this.#isBusy) {
      this.#mustLookAgain = true;
      return;
    }
    this.#isBusy = true;
    this.#cancelRetry();
    this.#last = this.#reconcileAll();
  }

  /** Asks for nothing more. Settles when no request is in flight. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRetry();
    await this.#last;
  }

  #seen(mirror: Pod): void {
    const key = keyOf(mirror);
    const known = this.#mirrors.get(key);
    // What we made or deleted ourselves is known before the watch tells of what was before.
    if (known !== undefined && isNewerVersion(known, mirror)) return;
    this.#mirrors.set(key, mirror);
    this.#deps.statuses.mirrored(hashOf(mirror), mirror);
    if (known?.metadata.uid !== mirror.metadata.uid || mirror.metadata.deletionTimestamp !== undefined) this.reconcile();
  }

  #left(mirror: Pod): void {
    this.#forget(mirror);
    this.reconcile();
  }

  #forget(mirror: Pod): void {
    const key = keyOf(mirror);
    if (this.#mirrors.get(key)?.metadata.uid !== mirror.metadata.uid) return;
    this.#mirrors.delete(key);
    this.#deps.statuses.mirrored(hashOf(mirror), undefined);
  }

  async #reconcileAll(): Promise<void> {
    const { statics, log, clock } = this.#deps;
    let hasFailed = false;
    do {
      this.#mustLookAgain = false;
      hasFailed = false;
      for (const key of new Set([...statics.list().map(keyOf), ...this.#mirrors.keys()])) {
        try {
          if (!this.#isStopped) await this.#reconcileOne(key);
        } catch (error) {
          hasFailed = true;
          log.warn({ err: error, pod: key }, 'a mirror pod could not be made or deleted; will be tried again');
        }
      }
    } while (this.#mustLookAgain && !hasFailed);
    this.#isBusy = false;
    if (hasFailed && !this.#isStopped) this.#cancelRetry = clock.after(retryMs, () => this.reconcile());
  }

  async #reconcileOne(key: string): Promise<void> {
    const { statics, node } = this.#deps;
    const running = statics.get(key);
    let mirror = this.#mirrors.get(key);
    // The mirror of a pod that ends shows it until it has ended.
    if (running?.isEnding === true) return;
    if (mirror !== undefined && (running === undefined || !mirrors(mirror, running.pod))) {
      await this.#delete(mirror);
      mirror = undefined;
    }
    const { uid } = node()?.metadata ?? {};
    if (running !== undefined && mirror === undefined && uid !== undefined) await this.#create(running.pod, uid);
  }

  async #create(pod: Pod, nodeUid: string): Promise<void> {
    const { client, log } = this.#deps;
    log.info({ pod: keyOf(pod) }, 'Creating a mirror pod for static pod');
    try {
      this.#seen(await client.resource('pods').create(mirrorOf(pod, nodeUid)));
    } catch (error) {
      // The watch will tell of the one that is there, if it is a mirror pod.
      if (!isAlreadyExists(error) || !this.#mirrors.has(keyOf(pod))) throw error;
    }
  }

  async #delete(mirror: Pod): Promise<void> {
    const { client, log } = this.#deps;
    const { name, namespace, uid } = mirror.metadata;
    log.info({ pod: keyOf(mirror), uid }, 'Deleting a mirror pod');
    try {
      await client.resource('pods').delete({ namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      // A conflict says nothing of whether it is gone: the watch tells, or another try.
      if (!isNotFound(error)) throw error;
    }
    this.#forget(mirror);
  }
}

const hashOf = ({ metadata }: Pod): string => metadata.annotations?.[mirrorAnnotation] ?? '';
