/** The flags of `tinker server` about the store, under upstream's names; certificates and keys are read here. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Command } from 'commander';
import { errorText } from '#api/error-text.ts';
import { compactionIntervalMs } from '#control/apiserver/cache/compaction.ts';
import type { ServerOptions } from '#control/server-options.ts';
import { checkAccess, type EtcdAccess } from '#control/store/etcd/etcd-endpoints.ts';
import { checkFile } from './checks.ts';
import { durationMs, names } from './flags.ts';

/** How etcd is reached. */
export interface EtcdAccessFlags {
  etcdServers: string[];
  etcdCafile: string | undefined;
  etcdCertfile: string | undefined;
  etcdKeyfile: string | undefined;
}

/** As commander parses them; times in milliseconds. */
export interface EtcdFlags extends EtcdAccessFlags {
  etcdPrefix: string;
  etcdCompactionInterval: number;
  listenClientUrls: string[];
}

/** Adds those that say how etcd is reached. */
export function addEtcdAccessFlags(command: Command): Command {
  return command
    .option(
      '--etcd-servers <urls>',
      "etcd's members, with commas; by default the state is in the data folder, in a store of our own",
      names,
      [],
    )
    .option('--etcd-cafile <file>', "the CA of the members' certificates")
    .option('--etcd-certfile <file>', 'our certificate for etcd')
    .option('--etcd-keyfile <file>', 'its key');
}

/** Adds all of them. */
export function addEtcdFlags(command: Command): Command {
  return addEtcdAccessFlags(command)
    .option('--etcd-prefix <path>', 'what all keys begin with in etcd', '/registry')
    .option('--etcd-compaction-interval <duration>', 'how long history is kept; 0: for ever', durationMs, compactionIntervalMs)
    .option(
      '--listen-client-urls <urls>',
      "where the store in the data folder answers etcd's API, for etcdctl: https://127.0.0.1:2379; certificates are in <data-dir>/pki/etcd",
      names,
      [],
    );
}

/** What the flags say; undefined: no etcd. @throws Error that names the flag */
export function etcdOptions(flags: EtcdFlags): ServerOptions['etcd'] {
  checkListen(flags);
  const { etcdServers, etcdCafile, etcdCertfile, etcdKeyfile, etcdPrefix: prefix } = flags;
  if (etcdServers.length > 0) return { ...etcdAccess(flags), prefix };
  const files = Object.entries({ '--etcd-cafile': etcdCafile, '--etcd-certfile': etcdCertfile, '--etcd-keyfile': etcdKeyfile });
  const [flag] = files.find(([, file]) => file !== undefined) ?? [];
  if (flag === undefined) return undefined;
  throw new Error(`${flag} is for --etcd-servers: give that, too`);
}

/** How etcd is reached. @throws Error that names the flag */
export function etcdAccess({ etcdServers: endpoints, etcdCafile, etcdCertfile, etcdKeyfile }: EtcdAccessFlags): EtcdAccess {
  if ((etcdCertfile === undefined) !== (etcdKeyfile === undefined))
    throw new Error('--etcd-certfile and --etcd-keyfile go together: give both');
  const certificate = etcdCertfile === undefined ? undefined : read('--etcd-certfile', etcdCertfile);
  const key = etcdKeyfile === undefined ? undefined : read('--etcd-keyfile', etcdKeyfile);
  const ca = etcdCafile === undefined ? undefined : read('--etcd-cafile', etcdCafile);
  const access = { endpoints, ca, identity: certificate && key ? { certificate, key } : undefined };
  try {
    checkAccess(access);
  } catch (error) {
    throw new Error(`--etcd-servers: ${errorText(error)}`, { cause: error });
  }
  return access;
}

function read(flag: string, path: string): Buffer {
  checkFile(flag, path);
  return readFileSync(path);
}

/** Whoever is let in may read and change everything. @throws Error */
function checkListen({ listenClientUrls, etcdServers }: EtcdFlags): void {
  for (const url of listenClientUrls) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    const host = parsed?.hostname.replace(/^\[(.*)\]$/, '$1') ?? '';
    if (parsed === undefined || !['http:', 'https:'].includes(parsed.protocol) || parsed.pathname !== '/' || isIP(host) === 0)
      throw new Error(`--listen-client-urls ${url}: give a URL with an address such as https://127.0.0.1:2379`);
    if (parsed.protocol === 'http:' && host !== '127.0.0.1' && host !== '::1')
      throw new Error(`--listen-client-urls ${url}: without TLS only on 127.0.0.1 or [::1]; use https`);
  }
  if (listenClientUrls.length > 0 && etcdServers.length > 0)
    throw new Error('--listen-client-urls is for the store in the data folder: with --etcd-servers, ask etcd itself');
}
