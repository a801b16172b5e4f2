/**
 * Follows the CustomResourceDefinitions in the store: serves the kinds that they make, and writes what the server says in their status.
 *
 *   watch cache of definitions ──▶ serving: addKind, replaceKinds, removeKind
 *                              └─▶ status: names, Established, Terminating, finalizer
 *
 * Every API server on a store does so for itself. It learns from the watch, not from the request that wrote the definition.
 */
import { type KubeObject, sameJson } from '#api/meta.ts';
import { isConflict, isNotFound } from '#api/status.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
} from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { createWorkQueue, type WorkQueue } from '#client/workqueue.ts';
import type { Store } from '#control/store/store.ts';
import { componentUser } from '../authentication/component-users.ts';
import type { CacheFeed, CacheFollower } from '../cache/cache-feed.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import type { Registry } from '../registry/registry.ts';
import type { WriteContext } from '../registry/write-request.ts';
import type { RestKind } from '../rest/exchange.ts';
import type { RunTimeKinds } from '../run-time-kinds.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { awaitsCleanup, cleanUp } from './definition-cleanup.ts';
import { isServable, withStatus } from './definition-status.ts';
import { kindsOf } from './served-kinds.ts';
import type { PostToWebhook } from './webhook-conversion.ts';

const resourceId = 'customresourcedefinitions.apiextensions.k8s.io';
const prefix = '/registry/apiextensions.k8s.io/customresourcedefinitions';
/** Definitions that begin to be served, get their status, and whose objects are deleted, at the same time. */
const servingWorkers = 16;
const statusWorkers = 16;
const cleanupWorkers = 5;
const backOff = { firstBackOffMs: 50, maxBackOffMs: 60_000 };

/** What following the definitions needs. */
export interface DefinitionsDeps {
  store: Store;
  feed: CacheFeed;
  registry: Registry;
  kinds: RunTimeKinds;
  clock: Clock;
  log: ServerLog;
  /** Calls conversion webhooks. */
  post: PostToWebhook;
}

/** What is served of one definition, and of which state of it. */
interface Served {
  kinds: readonly RestKind[];
  uid: string;
  spec: CustomResourceDefinitionSpec;
  names: CustomResourceDefinitionNames | undefined;
}

/** The definitions of one API server. */
export class Definitions {
  readonly #deps: DefinitionsDeps;
  readonly #serving: WorkQueue;
  readonly #status: WorkQueue;
  /** By the name of the definition. */
  readonly #served = new Map<string, Served>();
  /** Names that have to be looked at before the server is ready; undefined: it is, or the caches are not filled yet. */
  #first: Set<string> | undefined;
  readonly #ready = Promise.withResolvers<void>();
  /** The work on the status of a definition of each group: one after the other, because each has to see the names of the others. */
  readonly #groups = new Map<string, Promise<void>>();
  /** Apart from other work, because it may take long. */
  readonly #cleanup: WorkQueue;

  constructor(deps: DefinitionsDeps) {
    this.#deps = deps;
    this.#serving = createWorkQueue(deps.clock, backOff);
    this.#status = createWorkQueue(deps.clock, backOff);
    this.#cleanup = createWorkQueue(deps.clock, backOff);
  }

  /** Resolves once the kinds of all definitions that were stored before are served, or the server ends. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** To be told of every change of a definition (`CacheFeed.follow`). */
  get follower(): [prefix: string, follower: CacheFollower] {
    const add = (name: string): void => {
      this.#serving.add(name);
      this.#status.add(name);
    };
    return [
      prefix,
      {
        replaced: (objects) => {
          const names = new Set([...objects].map(({ object }) => object.metadata.name));
          this.#first ??= new Set(names);
          for (const name of names) add(name);
          for (const name of this.#served.keys()) if (!names.has(name)) add(name);
          if (this.#first.size === 0) this.#ready.resolve();
        },
        changed: ({ previous, current }) => add((current ?? previous)?.object.metadata.name ?? ''),
      },
    ];
  }

  /** Runs until `signal` aborts. Failures are logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => {
      this.#serving.shutDown();
      this.#status.shutDown();
      this.#cleanup.shutDown();
      this.#ready.resolve();
    };
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    const serving = Array.from({ length: servingWorkers }, () =>
      this.#work(this.#serving, signal, async (name) => {
        await this.#serve(name);
        this.#looked(name);
      }),
    );
    const status = Array.from({ length: statusWorkers }, async () => {
      await this.#ready.promise;
      await this.#work(this.#status, signal, (name) => this.#inGroup(name, () => this.#control(name)));
    });
    const cleanup = Array.from({ length: cleanupWorkers }, () =>
      this.#work(this.#cleanup, signal, (name) => this.#clean(name, signal)),
    );
    await Promise.all([...serving, ...status, ...cleanup]);
  }

  #looked(name: string): void {
    if (this.#first?.delete(name) === true && this.#first.size === 0) this.#ready.resolve();
  }

  async #work(queue: WorkQueue, signal: AbortSignal, task: (name: string) => Promise<void>): Promise<void> {
    for (let name = await queue.next(); name !== undefined; name = await queue.next()) {
      try {
        if (!signal.aborted) await task(name);
        queue.forget(name);
      } catch (error) {
        if (!signal.aborted) {
          this.#deps.log.error(
            { err: error, name },
            'a CustomResourceDefinition could not be served, updated or deleted; trying again',
          );
          // One that cannot be served must not keep the server from becoming ready.
          this.#looked(name);
          queue.addRateLimited(name);
        }
      } finally {
        queue.done(name);
      }
    }
  }

  #get(name: string): CustomResourceDefinition | undefined {
    return this.#deps.feed.cache(prefix).get(`${prefix}/${name}`)?.object as CustomResourceDefinition | undefined;
  }

  async #serve(name: string): Promise<void> {
    const definition = this.#get(name);
    const served = this.#served.get(name);
    if (definition === undefined || !isServable(definition)) return this.#remove(name);
    if (served !== undefined && isSame(served, definition)) return;
    const isTerminating = (): boolean => this.#get(name)?.metadata.deletionTimestamp !== undefined;
    const conversion = { post: this.#deps.post, context: this.#context({}) };
    const kinds = kindsOf(definition, { isTerminating, conversion });
    const [owner, ...views] = kinds;
    if (owner === undefined) this.#remove(name);
    else if (served !== undefined && served.kinds.length > 0)
      await this.#deps.kinds.replace(
        served.kinds.map(({ resource }) => resource.id),
        [owner, ...views],
      );
    else for (const kind of kinds) await this.#deps.kinds.add(kind);
    const { uid } = definition.metadata;
    this.#served.set(name, { kinds, uid, spec: definition.spec, names: definition.status?.acceptedNames });
    this.#status.add(name);
  }

  #remove(name: string): void {
    const kinds = this.#served.get(name)?.kinds ?? [];
    this.#served.delete(name);
    // Views go before what they are views of.
    for (const { resource } of kinds.toReversed()) this.#deps.kinds.remove(resource.id);
  }

  async #inGroup(name: string, work: () => Promise<void>): Promise<void> {
    const group = groupOf(name);
    const before = this.#groups.get(group) ?? Promise.resolve();
    const result = before.then(work);
    const settled = result.catch(() => {}); // The caller gets the error.
    this.#groups.set(group, settled);
    try {
      await result;
    } finally {
      if (this.#groups.get(group) === settled) this.#groups.delete(group);
    }
  }

  async #control(name: string): Promise<void> {
    const definition = this.#get(name);
    if (definition === undefined) return this.#reconsiderGroup(name);
    const names = definition.status?.acceptedNames;
    const served = this.#served.get(name);
    const isServed = served !== undefined && isSame(served, definition);
    const change = (current: CustomResourceDefinition): CustomResourceDefinition =>
      withStatus(current, { group: () => this.#groupOf(name), isServed, nowMs: this.#deps.clock.now() });
    if (change(definition) !== definition) {
      await this.#update(name, change);
      // The next definition has to see the names that this one has now.
      await this.#deps.feed.fresh();
      if (!sameJson(this.#get(name)?.status?.acceptedNames, names)) this.#reconsiderGroup(name);
    }
    // One that failed comes again after its back-off; writing that it failed must not bring it back at once.
    if (awaitsCleanup(definition) && this.#cleanup.failures(name) === 0) this.#cleanup.add(name);
  }

  async #clean(name: string, signal: AbortSignal): Promise<void> {
    const definition = this.#get(name);
    if (definition === undefined || !awaitsCleanup(definition)) return;
    const { store, feed, registry, clock } = this.#deps;
    const deps = { store, feed, registry, clock, context: this.#context({ admitted: true }), update: this.#update.bind(this) };
    await cleanUp(deps, definition, this.#served.get(name)?.kinds[0]?.resource, signal);
  }

  #groupOf(name: string): CustomResourceDefinition[] {
    const group = groupOf(name);
    return [...this.#deps.feed.cache(prefix).range(`${prefix}/`)]
      .map(({ object }: CachedObject) => object as CustomResourceDefinition)
      .filter(({ spec }) => spec.group === group);
  }

  /** Syncs the other definitions of the group, because one of them may now get a released name. */
  #reconsiderGroup(name: string): void {
    for (const { metadata } of this.#groupOf(name)) if (metadata.name !== name) this.#status.add(metadata.name);
  }

  async #update(name: string, change: (definition: CustomResourceDefinition) => CustomResourceDefinition): Promise<void> {
    const { registry } = this.#deps;
    const transform = (current: KubeObject | undefined): KubeObject => change(current as CustomResourceDefinition) as KubeObject;
    const request = { transform, subresource: 'status', mode: 'status', forceCreate: false } as const;
    try {
      await registry.update(registry.resource(resourceId), { name }, request, this.#context({}));
    } catch (error) {
      // It has gone or changed meanwhile: the change itself brings it back here.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  #context(more: Partial<WriteContext>): WriteContext {
    const { clock, registry } = this.#deps;
    return {
      user: componentUser('apiserver'),
      clock,
      warn: () => {},
      annotate: () => {},
      read: (resource, namespace, name) => registry.read(resource, namespace, name),
      list: (resource, namespace) => registry.list(resource, namespace),
      fieldManager: 'kube-apiserver',
      dryRun: false,
      ...more,
    };
  }
}

/** Of a definition's name: `widgets.example.com`. */
const groupOf = (name: string): string => name.slice(name.indexOf('.') + 1);

const isSame = ({ uid, spec, names }: Served, { metadata, spec: now, status }: CustomResourceDefinition): boolean =>
  uid === metadata.uid && sameJson(spec, now) && sameJson(names, status?.acceptedNames);
