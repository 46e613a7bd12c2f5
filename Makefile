# make demo, make test: each makes its own environment in .venv on first use.
#   make demo PET=scan.nii.gz BOX=CX,CY,CZ,SX,SY,SZ     (RAS, mm)   another scan
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-output
SEED ?= 1
WORKERS ?= 2

.PHONY: demo test test-quick test-oldest lint api wheel bench bench-workers simulate-cohort same-bits fuzz soak soak-insertions dicom-peers export-peers ray-peers coverage release clean

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -e '.[train]'
	touch $@

# Slicer's libraries and Qt are large, and only the tests need them.
$(VENV)/.ready-test: $(VENV)/.ready
	$(INSTALL) -e '.[train,test,evaluate,docs]'
	touch $@

ifdef PET
INPUT := $(PET)
WHERE := $(if $(ROI),--roi $(ROI),--box=$(BOX))
else
INPUT := $(OUT)/phantom.nii.gz
WHERE := --roi $(OUT)/box.mrk.json
endif

demo: $(VENV)/.ready
	@mkdir -p $(OUT)
	@$(if $(PET),$(if $(BOX)$(ROI),true,echo "Give a box: make demo PET=$(PET) BOX=CX,CY,CZ,SX,SY,SZ" && false),\
	  $(BIN)/tumorgen phantom $(INPUT) --roi $(OUT)/box.mrk.json --site "right lung")
	@$(BIN)/tumorgen insert $(INPUT) $(WHERE) --seed $(SEED) $(if $(PET),,--suv-factor 1) --output-image $(OUT)/synthetic.nrrd \
	  --output-mask $(OUT)/synthetic.seg.nrrd --preview $(OUT)/preview.png

# The panel's tests put stand-ins of Qt's and Slicer's widgets into their process: each group has processes of its own. Two
# processes of one thread each take half the time of one with two. The guides come first, because they take longest.
GROUPS := "Testing/docs Testing/core Testing/install Testing/extension Testing/benchmarks Testing/soak" Testing/slicer Testing/panel

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(VENV)/.ready-test lint
	@for group in $(GROUPS); do $(PYTEST) $$group || exit 1; done

# The same, and which lines of the product ran; it takes a third longer.
coverage: $(VENV)/.ready-test
	$(BIN)/coverage erase
	@for group in $(GROUPS); do $(PYTEST) $$group --cov --cov-append --cov-report= || exit 1; done
	$(BIN)/coverage report

# Without the tests that train or take more than ten seconds.
test-quick: $(VENV)/.ready-test lint
	@for group in $(GROUPS); do $(PYTEST) $$group -m "not slow" || exit 1; done

# The guides and a few more tests, with the oldest packages that pyproject.toml allows. Python 3.11; PyTorch of that age
# brings CUDA: 5 GB.
OLDEST := build/oldest
test-oldest:
	rm -rf $(OLDEST) && $(PYTHON) -m venv $(OLDEST)
	$(PYTHON) Testing/install/oldest_versions.py > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet -c $(OLDEST)/constraints.txt '.[train,dicom,evaluate]' pytest pytest-xdist pynrrd \
	  slicer-core
	$(OLDEST)/bin/python -m pip list
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n $(WORKERS) --dist loadfile -W ignore::DeprecationWarning \
	  Testing/docs/test_guides.py Testing/core/insertion Testing/core/volumes/test_dicom_seg.py \
	  Testing/core/evaluation/features Testing/slicer/run/test_headless.py

lint: $(VENV)/.ready-test
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

# The API reference, from the docstrings: open build/api/index.html.
api: $(VENV)/.ready-test
	$(BIN)/python Testing/docs/make_api.py build/api

# The package with the trained models, for pip install: dist/tumorgen-*.whl.
wheel: $(VENV)/.ready
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

bench: $(VENV)/.ready
	$(BIN)/python Testing/benchmarks/bench_insertion.py --output bench-output

# What worker processes bring to `synthesize`, and where the time of a case goes; then 100,000 cases simulated from these times.
# make bench-workers ARGS="--cases 12 --rounds 1" is a short run of the first part.
bench-workers: $(VENV)/.ready
	$(BIN)/python Testing/benchmarks/bench_workers.py $(or $(ARGS),--parts-of-time --memory 500)

simulate-cohort: $(VENV)/.ready
	$(BIN)/python Testing/benchmarks/simulate_cohort.py $(or $(ARGS),--plot)

# Do tumors keep their bits? make same-bits OUTPUT=before.json; after the change: make same-bits OUTPUT=after.json BEFORE=before.json
same-bits: $(VENV)/.ready
	$(BIN)/python Testing/benchmarks/same_bits.py --output $(OUTPUT) $(if $(BEFORE),--before $(BEFORE))

# Damaged files through every reader, a few minutes: docs/soak.md. make fuzz ONLY=nrrd/17 tries one of them.
INPUTS ?= 12000
fuzz: $(VENV)/.ready-test
	OMP_NUM_THREADS=1 PYTHONPATH=Testing/core:Testing/soak $(BIN)/python Testing/soak/fuzz.py $(if $(ONLY),--only $(ONLY),\
	  --inputs $(INPUTS) --workers $(WORKERS) $(if $(OUTPUT),--output $(OUTPUT)))

# Kills, full disks and 1,000 cases of the real command line; half an hour on two free cores: docs/soak.md.
soak: $(VENV)/.ready-test
	PYTHONPATH=Testing/core:Testing/soak $(BIN)/python Testing/soak/soak.py --workers $(WORKERS)

# Does what held still hold? Random volumes and boxes, memory, identifiers, connections; about half an hour: docs/soak.md.
PLACES ?= 2800
INSERTIONS ?= 300
soak-insertions: $(VENV)/.ready-test
	OMP_NUM_THREADS=1 PYTHONPATH=Testing/core:Testing/soak $(BIN)/python Testing/soak/soak_insertions.py --workers $(WORKERS) \
	  --places $(PLACES) --insertions $(INSERTIONS) --output Testing/soak/results/insertions.json

# A DICOM study to an archive and back: docs/soak.md. Needs Debian's orthanc and dcmtk. make dicom-peers SERIES=FOLDER
dicom-peers: $(VENV)/.ready-test
	PYTHONPATH=Testing/peers $(BIN)/python Testing/peers/dicom_peers.py $(if $(SERIES),--series $(SERIES))

# Cases on a Ray cluster of this machine, with a worker, a node and the run itself killed: docs/soak.md.
CASES ?= 1000
ray-peers: $(VENV)/.ready-test
	$(INSTALL) -e '.[ray]'
	OMP_NUM_THREADS=1 PYTHONPATH=Testing/core:Testing/benchmarks $(BIN)/python Testing/peers/ray_peers.py --cases $(CASES)

# Exports to nnU-Net, BIDS, Croissant and MONAI: docs/soak.md. nnU-Net gets an environment of its own, 2 GB.
PEERS ?= build/peers
$(PEERS)/.ready: constraints.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt nnunetv2==2.8.1
	touch $@

export-peers: $(VENV)/.ready-test $(PEERS)/.ready
	$(BIN)/python Testing/peers/export_peers.py --nnunet $(PEERS)

# The files of HEAD as a repository without history, held against the rules of Slicer's Extensions Index: docs/release.md.
release: $(VENV)/.ready-test
	@PYTHONPATH=Testing/extension $(BIN)/python -m release.make_release $(if $(OUTPUT),--output $(OUTPUT)) \
	  $(if $(filter 1,$(ALLOW_DIRTY)),--allow-dirty)

clean:
	rm -rf $(VENV) $(OUT)
