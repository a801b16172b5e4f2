/**
 * The lab's own image registry (Debian's docker-registry) on the bridge, with the lab's images. Every container runtime asks it
 * before the real registry, so that a classroom without Internet has these images with every pull policy.
 *
 * Every pod can reach the registry on the bridge, so it is read-only. Images are pushed to a second registry on the same files.
 * It listens on a Unix socket in the lab's own folder, and runs only while `up` pushes.
 *
 * Source: OCI distribution specification 1.1; distribution `docs/content/about/configuration.md`.
 */
import { rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type DaemonSpec, stopDaemon } from '#agent/host/daemon.ts';
import { startAndAwait } from './await-daemon.ts';
import type { Lab } from './config.ts';
import type { LabImage } from './images/lab-images.ts';
import type { Blob } from './images/oci-image.ts';
import { labMark } from './lab-processes.ts';

const startMs = 15_000;

const folderOf = (lab: Lab): string => join(lab.dataDir, 'registry');
const pushSocket = (lab: Lab): string => join(lab.stateDir, 'registry-push.sock');

/** The daemon of the registry that serves, read-only. */
export const registryDaemon = (lab: Lab): DaemonSpec => daemonSpec(lab, 'registry', 'config.yml');
const pushDaemon = (lab: Lab): DaemonSpec => daemonSpec(lab, 'registry-push', 'push.yml');

function daemonSpec(lab: Lab, name: string, config: string): DaemonSpec {
  return {
    name,
    argv: ['docker-registry', 'serve', join(folderOf(lab), config)],
    pidFile: join(lab.stateDir, `${name}.pid`),
    logFile: join(lab.logDir, `${name}.log`),
    env: { ...labMark(lab), OTEL_TRACES_EXPORTER: 'none' },
  };
}

/** Starts the read-only registry and waits until it serves. @throws Error with the last lines of its log */
export async function startRegistry(lab: Lab): Promise<void> {
  // Deletion and proxying to another registry are off by default.
  await writeConfig(lab, 'config.yml', { maintenance: { readonly: { enabled: true } } }, { addr: new URL(lab.registry).host });
  await startAndAwait(registryDaemon(lab), async () => (await fetch(`${lab.registry}/v2/`)).ok, startMs);
}

/** Pushes the images that the registry does not have yet. */
export async function pushImages(lab: Lab, images: readonly LabImage[]): Promise<void> {
  const socket = pushSocket(lab);
  // A push registry that a killed `up` has left behind would hold the socket.
  await stopDaemon(pushDaemon(lab).pidFile);
  rmSync(socket, { force: true });
  await writeConfig(lab, 'push.yml', {}, { net: 'unix', addr: socket, relativeurls: true });
  const ask: Ask = (method, path, body) => send(socket, method, path, body);
  try {
    await startAndAwait(pushDaemon(lab), async () => await answers(ask), startMs);
    const pushed = new Map<string, string>();
    for (const image of images) await push(ask, image, pushed);
  } finally {
    await stopDaemon(pushDaemon(lab).pidFile);
    rmSync(socket, { force: true });
  }
}

async function writeConfig(lab: Lab, name: string, storage: object, http: object): Promise<void> {
  const folder = folderOf(lab);
  await mkdir(folder, { recursive: true });
  await mkdir(lab.stateDir, { recursive: true });
  const config = {
    version: '0.1',
    log: { level: 'warn' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, ...storage },
    http,
  };
  await writeFile(join(folder, name), stringify(config));
}

interface Answer {
  status: number;
  location: string;
  text: string;
}
type Ask = (method: string, path: string, body?: { type: string; bytes: Uint8Array }) => Promise<Answer>;

async function answers(ask: Ask): Promise<boolean> {
  try {
    return (await ask('GET', '/v2/')).status === 200;
  } catch (error) {
    // It does not listen yet.
    if (['ENOENT', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** @param pushed by digest: the repository that has the blob since this push */
async function push(ask: Ask, { repository, tags, image }: LabImage, pushed: Map<string, string>): Promise<void> {
  const base = `/v2/${repository}`;
  for (const blob of [image.config, ...image.layers]) {
    await pushBlob(ask, base, blob, pushed.get(blob.digest));
    pushed.set(blob.digest, repository);
  }
  for (const tag of tags) {
    const manifest = { type: image.manifest.mediaType, bytes: image.manifest.bytes };
    expect(await ask('PUT', `${base}/manifests/${tag}`, manifest), 201, `PUT ${repository}:${tag}`);
  }
}

/** @param from another repository that has the blob: it is taken from there */
async function pushBlob(ask: Ask, base: string, blob: Blob, from: string | undefined): Promise<void> {
  if ((await ask('HEAD', `${base}/blobs/${blob.digest}`)).status === 200) return;
  const mount = from === undefined ? '' : `?${new URLSearchParams({ mount: blob.digest, from })}`;
  const answer = await ask('POST', `${base}/blobs/uploads/${mount}`);
  if (answer.status === 201) return;
  const started = expect(answer, 202, `POST ${base}/blobs/uploads/`);
  const location = new URL(started.location, 'http://registry');
  location.searchParams.set('digest', blob.digest);
  const body = { type: 'application/octet-stream', bytes: blob.bytes };
  expect(await ask('PUT', `${location.pathname}${location.search}`, body), 201, `PUT ${base}/blobs`);
}

function expect(answer: Answer, status: number, what: string): Answer {
  if (answer.status !== status) throw new Error(`registry: ${what} answered ${answer.status}: ${answer.text.trim()}`);
  return answer;
}

function send(socketPath: string, method: string, path: string, body?: { type: string; bytes: Uint8Array }): Promise<Answer> {
  const headers =
    body === undefined ? { 'content-length': 0 } : { 'content-type': body.type, 'content-length': body.bytes.length };
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers, timeout: startMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const { location = '' } = response.headers;
        resolve({ status: response.statusCode ?? 0, location, text: Buffer.concat(chunks).toString('utf8') });
      });
    });
    sent.once('timeout', () => sent.destroy(new Error(`registry: no answer to ${method} ${path} within ${startMs / 1000} s`)));
    sent.once('error', reject);
    sent.end(body?.bytes);
  });
}
