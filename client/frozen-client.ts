/** A client for tests and the simulation that freezes the objects of lists and watches. */
import { deepFreeze } from '#api/deep-freeze.ts';
import type { KubeObject } from '#api/meta.ts';
import type { Client, ResourceClient } from './client.ts';

/** Freezes the objects in caches. They are shared, so a controller that changes one must fail. */
export function frozenClient(client: Client): Client {
  const freezing = <T extends KubeObject>(inner: ResourceClient<T>): ResourceClient<T> => {
    const list: typeof inner.list = async (options, signal) => deepFreeze(await inner.list(options, signal));
    const watch: typeof inner.watch = async function* (options, signal) {
      for await (const event of inner.watch(options, signal)) yield deepFreeze(event);
    };
    return { ...inner, list, watch };
  };
  return { ...client, resource: (id) => freezing(client.resource(id)), of: (resource) => freezing(client.of(resource)) };
}
