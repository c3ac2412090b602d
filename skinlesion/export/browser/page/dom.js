/** Short words for what the page does to its elements; text is never read as HTML. */

export const at = (id) => document.getElementById(id);

export const percent = (value) => `${(100 * value).toFixed(1)} %`;

export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}
