/** A user of the cluster, who creates, changes and deletes objects, and retries until it succeeds. */
import type { JsonValue } from '#api/json.ts';
import type { KubeObject, New } from '#api/meta.ts';
import type { ResourceId, ResourceTypes } from '#api/resources.ts';
import { ApiError } from '#api/status.ts';
import type { DeleteOptions, PodTemplateSpec } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { Model } from '../model.ts';
import type { Random } from '../random.ts';
import type { Trace } from '../trace.ts';

const retryMs = 700;
const maxTries = 100;

/** The dependencies of a world's users. */
export interface UserDeps {
  client: Client;
  clock: Clock;
  random: Random;
  trace: Trace;
  model: Model;
}

/** Acts for the users of one namespace. Its methods never throw; a final refusal by the server goes into the trace. */
export class User {
  readonly random: Random;
  readonly model: Model;
  readonly namespace: string;
  readonly #deps: UserDeps;

  constructor(namespace: string, deps: UserDeps) {
    this.namespace = namespace;
    this.random = deps.random.fork(namespace);
    this.model = deps.model;
    this.#deps = deps;
  }

  async create<Id extends ResourceId>(
    id: Id,
    object: Record<string, unknown> & { metadata: Record<string, unknown> },
  ): Promise<void> {
    const metadata = id === 'namespaces' ? object.metadata : { namespace: this.namespace, ...object.metadata };
    const made = { ...object, metadata } as unknown as New<ResourceTypes[Id]>;
    await this.#patiently(`create ${id} ${String(object.metadata['name'])}`, () => this.#deps.client.resource(id).create(made));
  }

  async patch(id: ResourceId, name: string, body: Record<string, unknown>, subresource?: string): Promise<void> {
    await this.#patiently(`patch ${id} ${name}`, () =>
      this.#deps.client
        .resource(id)
        .patch(
          this.#nameOf(id, name),
          { type: 'merge', body: body as JsonValue },
          subresource === undefined ? {} : { subresource },
        ),
    );
  }

  async delete(id: ResourceId, name: string, options: Partial<DeleteOptions> = {}): Promise<void> {
    await this.#patiently(`delete ${id} ${name}`, () => this.#deps.client.resource(id).delete(this.#nameOf(id, name), options));
  }

  /** Requests the eviction of a pod once; a budget may refuse it. */
  async evict(name: string): Promise<void> {
    const metadata = { namespace: this.namespace, name };
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata };
    this.#deps.trace.note(`user: evict ${name}`);
    try {
      const { status, body } = await this.#deps.client.raw({
        method: 'POST',
        path: `/api/v1/namespaces/${this.namespace}/pods/${name}/eviction`,
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: Buffer.from(JSON.stringify(eviction)),
      });
      for await (const _ of body) void _;
      this.#deps.trace.note(`user: eviction of ${name}: ${status}`);
    } catch (error) {
      this.#deps.trace.note(`user: eviction failed: ${String(error)}`);
    }
  }

  /** The pods of the namespace, by name, that are not being deleted. */
  podNames(prefix = ''): string[] {
    return this.model
      .pods()
      .filter(
        ({ metadata }) =>
          metadata.namespace === this.namespace && metadata.name.startsWith(prefix) && metadata.deletionTimestamp === undefined,
      )
      .map(({ metadata }) => metadata.name)
      .sort();
  }

  async sleep(ms: number): Promise<void> {
    await sleep(this.#deps.clock, ms);
  }

  #nameOf(id: ResourceId, name: string): { name: string; namespace?: string } {
    return ['namespaces', 'nodes'].includes(id) ? { name } : { namespace: this.namespace, name };
  }

  async #patiently(what: string, action: () => Promise<KubeObject | void>): Promise<void> {
    this.#deps.trace.note(`user: ${what} in ${this.namespace}`);
    for (let attempt = 1; attempt <= maxTries; attempt++) {
      try {
        await action();
        return;
      } catch (error) {
        // An earlier attempt succeeded but its answer was lost, or the refusal is final.
        if (isFinal(error)) {
          this.#deps.trace.note(`user: ${what}: ${String(error)}`);
          return;
        }
        await sleep(this.#deps.clock, retryMs);
      }
    }
    this.#deps.trace.note(`user: gave up: ${what}`);
  }
}

/** Whether a retry would get the same answer for ever. 409 is not final, because conflicts pass. */
const isFinal = (error: unknown): boolean =>
  error instanceof ApiError && ([403, 404, 422].includes(error.code) || error.reason === 'AlreadyExists');

/** A pod template of one container that asks for a little CPU. */
export function template(
  app: string,
  image: string,
  more: { annotations?: Record<string, string>; spec?: object } = {},
): PodTemplateSpec {
  const { annotations = {}, spec = {} } = more;
  return {
    metadata: { labels: { app }, annotations },
    spec: {
      terminationGracePeriodSeconds: 5,
      containers: [{ name: 'c', image, resources: { requests: { cpu: '100m' } } }],
      ...spec,
    },
  };
}
