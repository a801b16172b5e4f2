/** Selectors that fill the head of a request, which may have a megabyte. For tests and `npm run bench -- api-hostile`. */

/** A list with a long selector. */
export interface LongSelector {
  name: string;
  /** The query of the list. */
  query: string;
}

/** @param scale 1: selectors near the limit */
export function longSelectors(scale: number): LongSelector[] {
  const bytes = 1_000_000 * scale;
  const many = (item: (index: number) => string): string => {
    const items: string[] = [];
    for (let [index, length] = [0, 0]; length < bytes; index++) {
      const text = item(index);
      items.push(text);
      length += text.length + 1;
    }
    return items.join(',');
  };
  const labels = (name: string, text: string): LongSelector => ({
    name: `label selector: ${name}`,
    query: `labelSelector=${text}`,
  });
  const fields = (name: string, text: string): LongSelector => ({
    name: `field selector: ${name}`,
    query: `fieldSelector=${text}`,
  });
  return [
    labels('one of many values', `a+in+(${many((index) => `v${index}`)})`),
    labels('one of many values with blanks', `a+in+(+${many((index) => `v${index}`)})`),
    labels('none of many values', `a+notin+(${many((index) => `v${index}`)})`),
    labels('malformed values', `a+in+(${many((index) => `-v${index}`)})`),
    labels('empty values', `a+in+(${many(() => '')})`),
    labels(
      'many keys',
      many((index) => `k${index}`),
    ),
    labels(
      'many keys with a prefix',
      many((index) => `a.b/k${index}`),
    ),
    labels(
      'many absent keys',
      many((index) => `!k${index}`),
    ),
    labels(
      'many labels',
      many((index) => `k${index}=v`),
    ),
    labels(
      'many other values of one key',
      many((index) => `a!=v${index}`),
    ),
    labels(
      'one label again and again',
      many(() => 'a=b'),
    ),
    labels(
      'many small sets',
      many((index) => `k${index}+in+(a,b)`),
    ),
    labels(
      'many numbers',
      many((index) => `a>${index}`),
    ),
    fields(
      'many names',
      many((index) => `metadata.name=v${index}`),
    ),
    fields(
      'many other names',
      many((index) => `metadata.name!=v${index}`),
    ),
    fields(
      'many escapes',
      many(() => 'metadata.name=\\,'),
    ),
    fields(
      'unknown fields',
      many((index) => `f${index}=v`),
    ),
  ];
}
