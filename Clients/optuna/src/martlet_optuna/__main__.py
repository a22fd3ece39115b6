import argparse
import sys

from . import SAMPLERS, serve


def main():
    parser = argparse.ArgumentParser(prog="python3 -m martlet_optuna", description="Started by a sweep's external sample.")
    parser.add_argument("--sampler", choices=sorted(SAMPLERS), default="tpe")
    arguments = parser.parse_args()

    def write(line):
        sys.stdout.write(line)
        sys.stdout.flush()

    serve(sys.stdin, write, arguments.sampler)


main()
