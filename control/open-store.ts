/** The store that the flags say: etcd, or a file in the data folder, which answers etcd's API if that is asked for. */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Clock } from '#client/clock.ts';
import { loadEtcdPki } from './pki/cluster-pki.ts';
import type { ServerOptions } from './server-options.ts';
import { createSqliteStore } from './store/sqlite.ts';
import type { Store } from './store/store.ts';

/** An open store. */
export interface OpenedStore {
  store: Store;
  /** Ends what asks the store besides its owner, who then closes it. */
  close(): Promise<void>;
}

/** @throws StoreError @throws Error when an address for etcd's clients is taken */
export async function openStore(options: ServerOptions, clock: Clock, log: Logger): Promise<OpenedStore> {
  const { etcd, etcdListen, dataDir, storeWorker } = options;
  // gRPC is loaded only where it is used: it takes memory and time.
  if (etcd !== undefined) {
    const { createEtcdStore } = await import('./store/etcd/etcd-store.ts');
    return { store: await createEtcdStore({ ...etcd, clock, log }), close: async () => undefined };
  }
  const path = join(dataDir, 'state.db');
  const store = await createSqliteStore({ path, clock, log, worker: storeWorker });
  if (etcdListen.length === 0) return { store, close: async () => undefined };
  try {
    const hosts = etcdListen.map((url) => new URL(url).hostname.replace(/^\[(.*)\]$/, '$1'));
    const ipAddresses = [...new Set([...hosts, options.advertiseAddress, '127.0.0.1', '::1'])].filter(
      (address) => address !== '0.0.0.0' && address !== '::',
    );
    const { ca, server } = await loadEtcdPki({
      folder: join(dataDir, 'pki/etcd'),
      nowMs: clock.now(),
      dnsNames: ['localhost'],
      ipAddresses,
    });
    const { startEtcdServer } = await import('./store/etcd-server/etcd-server.ts');
    const tls = { clientCa: ca, ...server };
    const listening = await startEtcdServer(store, clock, { urls: etcdListen, tls, name: path });
    log.info({ urls: listening.urls }, "the store answers etcd's API");
    return { store, close: () => listening.close() };
  } catch (error) {
    await store.close();
    throw error;
  }
}
