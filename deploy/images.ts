/**
 * The images of the components as an archive, for `ctr images import` and `docker load`: under the names of upstream's images, and of the pod
 * network. `up -- --layout pods` pushes the same images to the lab's registry.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Exec } from '#agent/host/exec.ts';
import { version } from '#cli/version.ts';
import { buildComponentImages, componentRegistry, nodeImage } from '#lab/images/component-images.ts';
import { imageArchive } from '#lab/images/oci-image.ts';

/** Docker Hub's images have a repository with a slash; upstream's components have none. */
const hub = nodeImage.slice(0, nodeImage.indexOf('/'));

/** @param folder receives the archive @returns its path @throws ExecError; Error when a program that belongs into an image is not installed */
export async function buildImageArchive(folder: string, exec: Exec): Promise<string> {
  const images = await buildComponentImages(exec);
  const named = images.map(({ repository, tags, image }) => ({
    references: tags.map((tag) => `${repository.includes('/') ? hub : componentRegistry}/${repository}:${tag}`),
    image,
  }));
  const path = join(folder, `tinkernetes-images_${version}.tar`);
  writeFileSync(path, await imageArchive(named));
  return path;
}
