import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { buildProgram } from '#lab/program.ts';
import { buildImageArchive } from './images.ts';

interface DockerImage {
  Config: string;
  RepoTags: string[];
  Layers: string[];
}

describe("the archive of the components' images", () => {
  let scratch: string;
  let images: DockerImage[];
  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'tinker-images-'));
    await buildProgram();
    const archive = await buildImageArchive(scratch, execFile);
    await execFile(['tar', '-xf', archive, '-C', scratch], { timeoutMs: 120_000 });
    images = JSON.parse(readFileSync(join(scratch, 'manifest.json'), 'utf8')) as DockerImage[];
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  it("has upstream's names", () => {
    const names = images.flatMap(({ RepoTags }) => RepoTags).map((name) => name.slice(0, name.lastIndexOf(':')));
    assert.deepEqual(names.sort(), [
      'docker.io/tinkernetes/node',
      'registry.k8s.io/etcd',
      'registry.k8s.io/kube-apiserver',
      'registry.k8s.io/kube-controller-manager',
      'registry.k8s.io/kube-proxy',
      'registry.k8s.io/kube-scheduler',
    ]);
  });

  it('has the program of each component, and what writes rules with kube-proxy', async () => {
    for (const { RepoTags, Layers } of images) {
      const lists = await Promise.all(
        Layers.map(async (layer) => (await execFile(['tar', '-tf', join(scratch, layer)])).stdout.split('\n')),
      );
      const files = new Set(lists.flat());
      const [name = ''] = RepoTags.map((tag) => tag.slice(tag.lastIndexOf('/') + 1, tag.lastIndexOf(':')));
      assert.ok(files.has(`usr/local/bin/${name === 'node' ? 'tinker' : name}`), name);
      if (name === 'kube-proxy' || name === 'node')
        for (const tool of ['usr/sbin/iptables-restore', 'usr/sbin/nft', 'usr/sbin/conntrack'])
          assert.ok(files.has(tool), `${name}: ${tool}`);
    }
  });
});
