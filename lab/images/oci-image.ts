/**
 * Builds OCI images in memory: layers from lists of files, a config, a manifest. Equal input gives equal digests.
 *
 * Source: OCI image specification 1.1.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { packTar, type TarEntry } from 'modern-tar';

/** A file of an image. */
export interface ImageFile {
  /** Path without a leading slash. */
  path: string;
  mode?: number;
  content?: Uint8Array | string;
  /** The target of a symbolic link. Present: the file is a link. */
  linkTo?: string;
}

/** The content and the configuration of an image. */
export interface ImageSpec {
  files: readonly ImageFile[];
  /** Layers below the files, which other images have, too. */
  base?: readonly ImageLayer[];
  env?: readonly string[];
  entrypoint?: readonly string[];
  cmd?: readonly string[];
  workingDir?: string;
  user?: string;
  exposedPorts?: readonly string[];
}

/** A blob: a layer, a config or a manifest. */
export interface Blob {
  mediaType: string;
  digest: string;
  bytes: Uint8Array;
}

/** An image as its blobs. */
export interface OciImage {
  manifest: Blob;
  config: Blob;
  layers: Blob[];
}

/** A layer that several images can have. */
export interface ImageLayer {
  blob: Blob;
  /** Of the content as it is unpacked. */
  diffId: string;
}

/** A layer that is not compressed: large programs are read from the same machine, and packing them takes longer than that. */
export async function buildPlainLayer(files: readonly ImageFile[]): Promise<ImageLayer> {
  const tar = await packTar(directoriesOf(files).concat(files.map(entryOf)));
  const plain = blob('application/vnd.oci.image.layer.v1.tar', tar);
  return { blob: plain, diffId: plain.digest };
}

/** A fixed time, so that digests depend only on contents. */
const epoch = new Date(0);

/** Builds an image. @param architecture OCI's name: `amd64`, `arm64` */
export async function buildImage(spec: ImageSpec, architecture: string): Promise<OciImage> {
  const { base = [] } = spec;
  const tar = await packTar(directoriesOf(spec.files).concat(spec.files.map(entryOf)));
  const layer = blob('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar, { level: 6 }));
  const config = json('application/vnd.oci.image.config.v1+json', {
    created: epoch.toISOString(),
    architecture,
    os: 'linux',
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(spec.env ?? [])],
      ...(spec.entrypoint === undefined ? {} : { Entrypoint: spec.entrypoint }),
      ...(spec.cmd === undefined ? {} : { Cmd: spec.cmd }),
      ...(spec.workingDir === undefined ? {} : { WorkingDir: spec.workingDir }),
      ...(spec.user === undefined ? {} : { User: spec.user }),
      ...(spec.exposedPorts === undefined
        ? {}
        : { ExposedPorts: Object.fromEntries(spec.exposedPorts.map((port) => [port, {}])) }),
    },
    rootfs: { type: 'layers', diff_ids: [...base.map(({ diffId }) => diffId), digestOf(tar)] },
    history: [...base, layer].map(() => ({ created: epoch.toISOString(), created_by: 'tinkernetes lab' })),
  });
  const layers = [...base.map((one) => one.blob), layer];
  const manifest = json('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor(config),
    layers: layers.map(descriptor),
  });
  return { manifest, config, layers };
}

/** An archive of images that `docker load` and `ctr images import` can read: the OCI layout and Docker's manifest.json. */
export async function imageArchive(images: readonly { references: readonly string[]; image: OciImage }[]): Promise<Uint8Array> {
  const path = (digest: string): string => `blobs/sha256/${digest.slice('sha256:'.length)}`;
  const blobs = new Map(
    images.flatMap(({ image }) => [image.manifest, image.config, ...image.layers]).map((one) => [one.digest, one]),
  );
  const index = {
    schemaVersion: 2,
    manifests: images.flatMap(({ references, image }) =>
      references.map((name) => ({ ...descriptor(image.manifest), annotations: { 'io.containerd.image.name': name } })),
    ),
  };
  const docker = images.map(({ references, image }) => ({
    Config: path(image.config.digest),
    RepoTags: references,
    Layers: image.layers.map(({ digest }) => path(digest)),
  }));
  return packTar([
    entryOf({ path: 'oci-layout', content: JSON.stringify({ imageLayoutVersion: '1.0.0' }) }),
    entryOf({ path: 'index.json', content: JSON.stringify(index) }),
    entryOf({ path: 'manifest.json', content: JSON.stringify(docker) }),
    ...[...blobs.values()].map(({ digest, bytes }) => entryOf({ path: path(digest), content: bytes })),
  ]);
}

function entryOf({ path, mode, content, linkTo }: ImageFile): TarEntry {
  const owner = { uid: 0, gid: 0, uname: 'root', gname: 'root', mtime: epoch };
  if (linkTo !== undefined) return { header: { name: path, type: 'symlink', linkname: linkTo, mode: 0o777, size: 0, ...owner } };
  if (path.endsWith('/')) return { header: { name: path, type: 'directory', mode: mode ?? 0o755, size: 0, ...owner } };
  const body = typeof content === 'string' ? new TextEncoder().encode(content) : (content ?? new Uint8Array());
  return { header: { name: path, type: 'file', mode: mode ?? 0o644, size: body.length, ...owner }, body };
}

/** The parent folders that are not listed themselves, outermost first. */
function directoriesOf(files: readonly ImageFile[]): TarEntry[] {
  const listed = new Set(files.map(({ path }) => path));
  const parents = new Set<string>();
  for (const { path } of files) {
    const parts = path.replace(/\/$/, '').split('/');
    for (let depth = 1; depth < parts.length; depth++) parents.add(`${parts.slice(0, depth).join('/')}/`);
  }
  return [...parents]
    .filter((path) => !listed.has(path))
    .sort()
    .map((path) => entryOf({ path }));
}

function json(mediaType: string, value: unknown): Blob {
  return blob(mediaType, new TextEncoder().encode(JSON.stringify(value)));
}

function blob(mediaType: string, bytes: Uint8Array): Blob {
  return { mediaType, digest: digestOf(bytes), bytes };
}

function descriptor({ mediaType, digest, bytes }: Blob): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest, size: bytes.length };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
