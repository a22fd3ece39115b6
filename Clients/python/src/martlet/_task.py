"""Runs in the task: calls what was pickled for it, and leaves the value where the caller finds it.

Copied beside the calls and run as a script: it imports nothing of this package, which the task's image need not have.
"""

import os
import pickle
import sys
import traceback


def main(folder: str) -> int:
    index = os.environ["MARTLET_TASK_INDEX"]
    outcome: "tuple[bool, object, str]"
    try:
        with open(os.path.join(folder, "setting.pkl"), "rb") as file:
            setting = pickle.load(file)
        # Behind the image's own, but for what the caller's process could import.
        sys.path[:0] = setting["path"]
        sys.path.append(folder)
        if setting["directory"] is not None:
            os.chdir(setting["directory"])
        with open(os.path.join(folder, index + ".pkl"), "rb") as file:
            name, arguments = pickle.load(file)
        with open(os.path.join(folder, name), "rb") as file:
            function = pickle.load(file)
        args, kwargs = pickle.loads(arguments)
        if kwargs is None:
            outcome = (True, [function(*call) for call in args], "")
        else:
            outcome = (True, function(*args, **kwargs), "")
    except BaseException as error:  # whatever ended the call is the caller's to see
        text = traceback.format_exc()
        sys.stderr.write(text)
        outcome = (False, error, text)
    place = os.path.join(os.environ["MARTLET_RESULTS"], "value.pkl")
    try:
        data = _dumps(outcome)
    except Exception as error:
        what = "value" if outcome[0] else "exception"
        sys.stderr.write("the %s cannot be pickled: %r\n" % (what, error))
        known = outcome[2] or "".join(traceback.format_exception_only(type(error), error))
        data = _dumps((False, RuntimeError("the task's %s cannot be pickled: %r" % (what, error)), known))
        outcome = (False, None, "")
    with open(place + ".part", "wb") as file:
        file.write(data)
    os.rename(place + ".part", place)
    return 0 if outcome[0] else 1


def _dumps(value: object) -> bytes:
    try:
        import cloudpickle

        data: bytes = cloudpickle.dumps(value)
        return data
    except ImportError:
        return pickle.dumps(value)


if __name__ == "__main__":
    sys.exit(main(os.path.dirname(os.path.abspath(__file__))))
