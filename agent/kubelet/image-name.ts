/**
 * Image references. Pure. Source: the reference grammar of distribution (`reference/reference.go`).
 */

const domainComponent = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domain = `(?:${domainComponent}(?:\\.${domainComponent})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const pathComponent = '[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*';
const grammar = new RegExp(
  `^(?<name>(?:${domain}/)?${pathComponent}(?:/${pathComponent})*)(?::(?<tag>[\\w][\\w.-]{0,127}))?(?:@(?<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);

/** The parts of an image reference. */
export interface ImageName {
  /** The registry's host, `docker.io` where the reference names none. */
  registry: string;
  repository: string;
  tag: string | undefined;
  digest: string | undefined;
}

/** The parts of a reference. Pure. @throws Error `couldn't parse image name "…": invalid reference format` */
export function parseImageName(image: string): ImageName {
  const groups = grammar.exec(image)?.groups;
  const name = groups?.['name'];
  if (name === undefined) {
    const why =
      image !== image.toLowerCase() && grammar.test(image.toLowerCase())
        ? 'repository name must be lowercase'
        : 'invalid reference format';
    throw new Error(
      `couldn't parse image name "${image}": ${why === 'invalid reference format' ? why : `invalid reference format: ${why}`}`,
    );
  }
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const hasRegistry = first.includes('.') || first.includes(':') || first === 'localhost';
  const registry = hasRegistry ? first : 'docker.io';
  const rest = hasRegistry ? name.slice(slash + 1) : name;
  const repository = registry === 'docker.io' && !rest.includes('/') ? `library/${rest}` : rest;
  return { registry, repository, tag: groups?.['tag'], digest: groups?.['digest'] };
}

/** Adds `:latest` where there is neither tag nor digest. Pure. @throws as {@link parseImageName} */
export function withDefaultTag(image: string): string {
  const { tag, digest } = parseImageName(image);
  return tag === undefined && digest === undefined ? `${image}:latest` : image;
}
