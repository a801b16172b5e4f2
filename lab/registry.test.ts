/** Tests the lab's registry as pods see it: everything can be pulled, nothing can be pushed, changed or deleted. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { daemonPid, stopDaemon } from '#agent/host/daemon.ts';
import { freePort } from '#test/free-port.ts';
import { defaultLab, type Lab, planLab } from './config.ts';
import { buildImage, type OciImage } from './images/oci-image.ts';
import { pushImages, registryDaemon, startRegistry } from './registry.ts';

describe("the lab's registry", () => {
  let lab: Lab;
  let image: OciImage;
  before(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tinker-registry-'));
    const plan = planLab({ ...defaultLab, name: 'tkreg', dataDir: folder });
    lab = {
      ...plan,
      stateDir: join(folder, 'state'),
      logDir: join(folder, 'log'),
      registry: `http://127.0.0.1:${await freePort()}`,
    };
    image = await buildImage({ files: [{ path: 'file', content: 'x' }] }, 'amd64');
    await startRegistry(lab);
    await pushImages(lab, [{ repository: 'library/thing', tags: ['1', 'latest'], image }]);
  });
  after(async () => {
    await stopDaemon(registryDaemon(lab).pidFile);
    rmSync(lab.dataDir, { recursive: true });
  });

  it('serves the images that the lab has pushed', async () => {
    const manifest = await fetch(`${lab.registry}/v2/library/thing/manifests/latest`, {
      headers: { accept: image.manifest.mediaType },
    });
    assert.equal(manifest.status, 200);
    assert.equal(manifest.headers.get('docker-content-digest'), image.manifest.digest);
    assert.equal((await fetch(`${lab.registry}/v2/library/thing/blobs/${image.config.digest}`)).status, 200);
  });

  it('refuses pushes and deletions from every client', async () => {
    const repository = `${lab.registry}/v2/library/thing`;
    const upload = `${repository}/blobs/uploads/`;
    const requests: [method: string, url: string, body?: Uint8Array][] = [
      ['POST', upload],
      ['POST', `${upload}?mount=${image.config.digest}&from=library/other`],
      ['POST', `${lab.registry}/v2/new/blobs/uploads/`],
      ['PATCH', `${upload}0e3d2f5c-0b0e-4b0e-8b0e-0b0e4b0e8b0e`, image.config.bytes],
      ['PUT', `${upload}0e3d2f5c-0b0e-4b0e-8b0e-0b0e4b0e8b0e?digest=${image.config.digest}`, image.config.bytes],
      ['PUT', `${repository}/manifests/latest`, image.manifest.bytes],
      ['PUT', `${lab.registry}/v2/new/manifests/1`, image.manifest.bytes],
      ['DELETE', `${repository}/manifests/${image.manifest.digest}`],
      ['DELETE', `${repository}/manifests/latest`],
      ['DELETE', `${repository}/blobs/${image.config.digest}`],
      ['DELETE', `${repository}/blobs/uploads/0e3d2f5c-0b0e-4b0e-8b0e-0b0e4b0e8b0e`],
    ];
    for (const [method, url, body] of requests) {
      const headers = { 'content-type': image.manifest.mediaType };
      const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: Buffer.from(body) }) });
      await answer.body?.cancel();
      assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${url} answered ${answer.status}`);
    }
    assert.equal((await fetch(`${repository}/manifests/latest`, { headers: { accept: image.manifest.mediaType } })).status, 200);
    assert.equal((await fetch(`${lab.registry}/v2/new/tags/list`)).status, 404);
  });

  it('accepts no pushes after the images are pushed, and accepts them again when the lab is started again', async () => {
    assert.deepEqual(
      [existsSync(join(lab.stateDir, 'registry-push.sock')), daemonPid(join(lab.stateDir, 'registry-push.pid'))],
      [false, undefined],
    );
    const other = await buildImage({ files: [{ path: 'file', content: 'y' }] }, 'amd64');
    await startRegistry(lab);
    await pushImages(lab, [{ repository: 'library/other', tags: ['1'], image: other }]);
    const accept = { headers: { accept: other.manifest.mediaType } };
    assert.equal((await fetch(`${lab.registry}/v2/library/other/manifests/1`, accept)).status, 200);
  });
});
