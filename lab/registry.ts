/**
 * The lab's own image registry (Debian's docker-registry) on the bridge, filled with the lab's images. Every container runtime
 * asks it before the real registry, so that a room without Internet has them, whatever the pull policy.
 *
 * Source: OCI distribution specification 1.1.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { DaemonSpec } from '#agent/host/daemon.ts';
import { startAndAwait } from './await-daemon.ts';
import type { Lab } from './config.ts';
import type { LabImage } from './images/lab-images.ts';
import type { Blob } from './images/oci-image.ts';

export function registryDaemon(lab: Lab): DaemonSpec {
  return {
    name: 'registry',
    argv: ['docker-registry', 'serve', join(lab.dataDir, 'registry', 'config.yml')],
    pidFile: join(lab.stateDir, 'registry.pid'),
    logFile: join(lab.logDir, 'registry.log'),
    env: { OTEL_TRACES_EXPORTER: 'none' },
  };
}

export async function startRegistry(lab: Lab): Promise<void> {
  const folder = join(lab.dataDir, 'registry');
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'config.yml'),
    stringify({
      version: '0.1',
      log: { level: 'warn' },
      storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
      http: { addr: new URL(lab.registry).host },
    }),
  );
  await startAndAwait(registryDaemon(lab), async () => (await fetch(`${lab.registry}/v2/`)).ok, 15_000);
}

/** Uploads what the registry does not have yet. */
export async function pushImages(lab: Lab, images: readonly LabImage[]): Promise<void> {
  for (const { repository, tags, image } of images) {
    const base = `${lab.registry}/v2/${repository}`;
    for (const blob of [image.config, ...image.layers]) await pushBlob(base, blob);
    for (const tag of tags) {
      const answer = await fetch(`${base}/manifests/${tag}`, {
        method: 'PUT',
        headers: { 'content-type': image.manifest.mediaType },
        body: Buffer.from(image.manifest.bytes),
      });
      await expect(answer, 201, `PUT ${repository}:${tag}`);
    }
  }
}

async function pushBlob(base: string, blob: Blob): Promise<void> {
  const there = await fetch(`${base}/blobs/${blob.digest}`, { method: 'HEAD' });
  if (there.ok) return;
  const started = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
  await expect(started, 202, `POST ${base}/blobs/uploads/`);
  const location = new URL(started.headers.get('location') ?? '', base);
  location.searchParams.set('digest', blob.digest);
  const done = await fetch(location, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream' },
    body: Buffer.from(blob.bytes),
  });
  await expect(done, 201, `PUT ${base}/blobs`);
}

async function expect(answer: Response, status: number, what: string): Promise<void> {
  const text = await answer.text();
  if (answer.status !== status) throw new Error(`registry: ${what} answered ${answer.status}: ${text.trim()}`);
}
