/** Real etcd members of Debian's etcd-server on loopback, for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from '#agent/host/exec.ts';
import { freePort } from '#test/free-port.ts';

/** TINKER_ETCD is a folder with another version's programs. */
const folderOfPrograms = process.env['TINKER_ETCD'] ?? '/usr/bin';
const [etcd, etcdctl] = [join(folderOfPrograms, 'etcd'), join(folderOfPrograms, 'etcdctl')];

/** Options of a cluster. */
export interface EtcdClusterOptions {
  /** Number of members. Default: 1. */
  members?: number;
  /** Files of PEM, for TLS with certificates of clients. Absent: plain HTTP. */
  tls?: { ca: string; certificate: string; key: string } | undefined;
  /** Those of a client, with which {@link EtcdCluster.healthy} asks. */
  client?: { ca: string; certificate: string; key: string } | undefined;
  /** More flags for each member. */
  flags?: readonly string[];
  /** Where their data lies. Default: in memory. */
  folder?: string | undefined;
}

interface Member {
  name: string;
  clientUrl: string;
  peerUrl: string;
  child: ChildProcess | undefined;
}

/** Members that a test starts, kills and starts again. */
export class EtcdCluster {
  readonly #folder: string;
  readonly #members: Member[];
  readonly #options: EtcdClusterOptions;

  private constructor(folder: string, members: Member[], options: EtcdClusterOptions) {
    this.#folder = folder;
    this.#members = members;
    this.#options = options;
  }

  static async start(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
    // In memory where there is such a place: each fsync costs tens of milliseconds on a busy machine, and no test here cuts the power.
    const folder = await mkdtemp(join(options.folder ?? (existsSync('/dev/shm') ? '/dev/shm' : tmpdir()), 'etcd-'));
    const scheme = options.tls === undefined ? 'http' : 'https';
    const members: Member[] = [];
    for (let index = 0; index < (options.members ?? 1); index++) {
      const clientUrl = `${scheme}://127.0.0.1:${await freePort()}`;
      members.push({ name: `m${index}`, clientUrl, peerUrl: `http://127.0.0.1:${await freePort()}`, child: undefined });
    }
    const cluster = new EtcdCluster(folder, members, options);
    for (let index = 0; index < members.length; index++) cluster.run(index);
    return cluster;
  }

  /** One member, made of a snapshot. */
  static async restore(snapshot: string): Promise<EtcdCluster> {
    const cluster = await EtcdCluster.start();
    await cluster.kill(0);
    await cluster.forget(0);
    const { name, peerUrl } = cluster.#members[0] as Member;
    const argv = ['snapshot', 'restore', snapshot, '--name', name, '--data-dir', join(cluster.#folder, name)];
    argv.push('--initial-cluster', `${name}=${peerUrl}`, '--initial-advertise-peer-urls', peerUrl);
    await execFile([etcdctl, ...argv], { env: { ETCDCTL_API: '3' } });
    cluster.run(0);
    return cluster;
  }

  /** The members' URLs for clients. */
  get endpoints(): string[] {
    return this.#members.map(({ clientUrl }) => clientUrl);
  }

  /** Starts a member with the data that it has. */
  run(index: number): void {
    const member = this.#members[index] as Member;
    const { tls, flags = [] } = this.#options;
    const argv = [
      ['--name', member.name],
      ['--data-dir', join(this.#folder, member.name)],
      ['--listen-client-urls', member.clientUrl],
      ['--advertise-client-urls', member.clientUrl],
      ['--listen-peer-urls', member.peerUrl],
      ['--initial-advertise-peer-urls', member.peerUrl],
      ['--initial-cluster', this.#members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',')],
      ['--heartbeat-interval', '100'],
      ['--election-timeout', '1000'],
      ['--log-level', 'error'],
    ].flat();
    if (tls !== undefined)
      argv.push('--cert-file', tls.certificate, '--key-file', tls.key, '--trusted-ca-file', tls.ca, '--client-cert-auth');
    member.child = spawn(etcd, [...argv, ...flags], { stdio: ['ignore', 'ignore', 'ignore'] });
  }

  /** Waits until a member has caught up: it answers a linearizable read itself. */
  async healthy(index: number): Promise<void> {
    const { clientUrl } = this.#members[index] as Member;
    const { client } = this.#options;
    const argv = ['--endpoints', clientUrl, '--command-timeout', '2s', 'get', 'health'];
    if (client !== undefined) argv.push('--cacert', client.ca, '--cert', client.certificate, '--key', client.key);
    for (let tries = 0; tries < 120; tries++) {
      const child = spawn(etcdctl, argv, { stdio: 'ignore', env: { ...process.env, ETCDCTL_API: '3' } });
      const [code] = (await once(child, 'exit')) as [number];
      if (code === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    throw new Error(`member ${index} does not come back`);
  }

  /** Sends a signal to a member: SIGKILL, SIGSTOP, SIGCONT. */
  signal(index: number, signal: NodeJS.Signals): void {
    this.#members[index]?.child?.kill(signal);
  }

  /** Kills a member and waits until it is gone. */
  async kill(index: number): Promise<void> {
    const { child } = this.#members[index] as Member;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Removes what a member has that was killed. */
  async forget(index: number): Promise<void> {
    await rm(join(this.#folder, this.#members[index]?.name ?? ''), { recursive: true, force: true });
  }

  /** Ends all members and removes their data. */
  async stop(): Promise<void> {
    for (let index = 0; index < this.#members.length; index++) await this.kill(index);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
