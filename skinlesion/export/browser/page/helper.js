/** The worker as a function that is awaited. */

export class Helper {
  /**
   * @param onProgress Called with the share of the files that are loaded.
   */
  constructor(onProgress) {
    // From a blob, so that the page's content security policy binds the worker too: a worker from
    // a file would have that of its own response, which a plain server does not send.
    const script = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
    const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    this._worker = new Worker(address, { type: "module" });
    this._asked = new Map();
    this._last = 0;
    this._worker.onmessage = ({ data }) => {
      if ("progress" in data) onProgress(data.progress);
      else this._settle(data);
    };
    this._worker.onerror = ({ message }) => {
      const error = new Error(message || "a file of the page is missing or this browser is too old");
      for (const { reject } of this._asked.values()) reject(error);
      this._asked.clear();
    };
  }

  /** What the worker's task of that name returns for the argument. */
  ask(task, argument) {
    const id = ++this._last;
    return new Promise((resolve, reject) => {
      this._asked.set(id, { resolve, reject });
      this._worker.postMessage({ id, task, argument });
    });
  }

  _settle({ id, result, error, isUnreadable }) {
    const { resolve, reject } = this._asked.get(id);
    this._asked.delete(id);
    if (error === undefined) resolve(result);
    else reject(Object.assign(new Error(error), { isUnreadable }));
  }
}
