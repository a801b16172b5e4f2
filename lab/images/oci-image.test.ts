import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { buildImage, buildPlainLayer } from './oci-image.ts';

const digest = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

describe('an image', () => {
  it('has the layers below its own files first, and names each by its unpacked content', async () => {
    const base = await buildPlainLayer([{ path: 'bin/program', mode: 0o755, content: 'program' }]);
    const { manifest, config, layers } = await buildImage(
      { base: [base], files: [{ path: 'etc/file', content: 'text' }] },
      'amd64',
    );
    const described = JSON.parse(Buffer.from(manifest.bytes).toString()) as { layers: { digest: string; mediaType: string }[] };
    assert.deepEqual(
      described.layers.map((layer) => layer.digest),
      layers.map((layer) => layer.digest),
    );
    assert.deepEqual(
      described.layers.map((layer) => layer.mediaType.split('.').at(-1)),
      ['tar', 'tar+gzip'],
    );
    const { rootfs } = JSON.parse(Buffer.from(config.bytes).toString()) as { rootfs: { diff_ids: string[] } };
    const [first, second] = layers.map(({ bytes }) => bytes);
    assert.ok(first && second);
    assert.deepEqual(rootfs.diff_ids, [digest(first), digest(gunzipSync(second))]);
  });

  it('shares a layer with another image', async () => {
    const base = await buildPlainLayer([{ path: 'bin/program', content: 'program' }]);
    const [one, other] = await Promise.all(['a', 'b'].map((cmd) => buildImage({ base: [base], files: [], cmd: [cmd] }, 'amd64')));
    assert.equal(one?.layers[0]?.digest, other?.layers[0]?.digest);
    assert.notEqual(one?.manifest.digest, other?.manifest.digest);
  });
});
