/**
 * The number and size of a resource's objects, to estimate the seats of requests. Source: apiserver
 * `pkg/util/flowcontrol/request/object_count_tracker.go`.
 */
import type { CacheFeed } from '../cache/cache-feed.ts';
import type { KindCatalog } from '../catalog.ts';
import type { RestKind } from '../rest/exchange.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import type { StoredFacts } from './work-estimate.ts';

/** The number of objects that are sampled to estimate the size of a kind's objects. */
const sampled = 8;

/** Undefined for resources that are not stored or not known yet. */
export const storedFacts =
  (feed: CacheFeed, catalog: KindCatalog<RestKind>) =>
  ({ group, version, resource }: RequestInfo): StoredFacts | undefined => {
    const row = catalog.resources.find(group, version, resource);
    if (row === undefined || !feed.isReady || catalog.kind(row).computed !== undefined) return undefined;
    const cache = feed.cache(row.storagePrefix);
    return {
      objects: cache.size,
      watchers: cache.watcherCount,
      get averageBytes() {
        let [bytes, count] = [0, 0];
        for (const object of cache.range(cache.prefix)) {
          bytes += object.bytes;
          count += 1;
          if (count === sampled) break;
        }
        return count === 0 ? 0 : bytes / count;
      },
    };
  };
