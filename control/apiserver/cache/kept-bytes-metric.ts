/** How much memory the watch caches use besides the objects themselves, for Prometheus. */
import { Gauge, type Metric } from 'prom-client';
import type { CacheFeed } from './cache-feed.ts';

/** In bytes; belongs to no metrics registry yet. */
export function keptBytesMetric(feed: Pick<CacheFeed, 'keptBytes'>): Metric {
  return new Gauge({
    name: 'tinkernetes_watch_cache_kept_bytes',
    help: 'What the watch caches keep for a while: encoded forms, windows of changes, objects of lists under way.',
    labelNames: ['kept'],
    registers: [],
    collect() {
      for (const [kept, bytes] of Object.entries(feed.keptBytes)) this.set({ kept }, bytes);
    },
  });
}
