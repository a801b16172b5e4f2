/** What there is of a resource, for the seats of requests. Source: apiserver `pkg/util/flowcontrol/request/object_count_tracker.go`. */
import type { CacheFeed } from '../cache/cache-feed.ts';
import type { KindCatalog } from '../catalog.ts';
import type { RestKind } from '../rest/exchange.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import type { StoredFacts } from './work-estimate.ts';

/** How many objects are looked at to estimate the size of the kind's objects. */
const sampled = 8;

/** Undefined for what is not stored, or not known yet. */
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
