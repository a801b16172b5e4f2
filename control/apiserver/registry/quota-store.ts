/**
 * The store as the admission plugin ResourceQuota sees it: quotas are read from the caches and their status is written by compare-and-set.
 *
 * These writes belong to a request that is being admitted. So they are not admitted themselves, and not validated: a plugin makes them.
 */
import type { KubeObject } from '#api/meta.ts';
import type { GroupResource, ObjectsOf } from '#api/quota/usage.ts';
import type { ResourceQuota, ResourceQuotaStatus } from '#api/types.generated.ts';
import type { QuotaStore } from '../admission/plugin.ts';
import { copyOf } from '../cache/cached-object.ts';
import type { ObjectChecks } from './object-checks.ts';
import { listPrefix, storageKey } from './object-keys.ts';
import type { ObjectWriter } from './object-writer.ts';
import type { RegistryDeps } from './registry-deps.ts';
import { keepTimesOfUnchangedFields } from './system-fields.ts';

/** The name of the API server in managedFields. */
const fieldManager = 'kube-apiserver';

/** See the top of this file. @throws (its methods) StoreError */
export class CachedQuotaStore implements QuotaStore {
  readonly #deps: RegistryDeps;
  readonly #checks: ObjectChecks;
  readonly #writer: ObjectWriter;

  constructor(deps: RegistryDeps, checks: ObjectChecks, writer: ObjectWriter) {
    this.#deps = deps;
    this.#checks = checks;
    this.#writer = writer;
  }

  list(namespace: string): ResourceQuota[] {
    const resource = this.#deps.catalog.builtIn('resourcequotas');
    const cached = this.#deps.feed.cache(resource.storagePrefix).range(listPrefix(resource, namespace));
    return Array.from(cached, ({ object }) => object as ResourceQuota);
  }

  async write(quota: ResourceQuota, status: ResourceQuotaStatus): Promise<string | undefined> {
    const resource = this.#deps.catalog.builtIn('resourcequotas');
    const object: ResourceQuota = { ...copyOf(quota), status };
    const key = storageKey(resource, quota.metadata);
    const resetFields = this.#deps.catalog.kind(resource).strategy.resetFields?.['status'];
    const write = { object, live: quota, subresource: 'status', resetFields, size: undefined };
    await this.#checks.track(resource, write, { fieldManager });
    keepTimesOfUnchangedFields(object, quota);
    const result = await this.#writer.put(resource, key, object, Number(quota.metadata.resourceVersion));
    if (result.kind === 'conflict') return undefined;
    // Otherwise the next write of this request would lose against this one.
    await this.#deps.feed.reach(result.revision);
    return String(result.revision);
  }

  async objectsOf(namespace: string): Promise<ObjectsOf> {
    await this.#deps.feed.fresh();
    return ({ group, plural }: GroupResource): KubeObject[] | undefined => {
      const isIt = (row: { group: string; plural: string; storedAs: string | undefined; namespaced: boolean }): boolean =>
        row.group === group && row.plural === plural && row.storedAs === undefined && row.namespaced;
      const resource = this.#deps.catalog.resources.all().find(isIt);
      if (resource === undefined) return undefined;
      const cached = this.#deps.feed.cache(resource.storagePrefix).range(listPrefix(resource, namespace));
      return Array.from(cached, (one) => one.object);
    };
  }
}
